"""The page in a real browser: headless Chromium, with `mien aim` on the demo camera.

Screenshots for a person to look at are saved in the folder that the environment variable SCREENSHOTS names.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from mien.deploy.server.certificate_authority import CertificateAuthority
from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.image_file import read_image

CHROMIUM = shutil.which("chromium")
SCREENSHOTS = os.environ.get("SCREENSHOTS")
CLOSED = "Closed: the agent has its camera back."
expect.set_options(timeout=20_000)  # a busy machine starts the page slowly
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: make system")


class StartAim(Protocol):
    """Starts `mien aim` with the given options, and returns the address that it prints."""

    def __call__(self, *options: str, image: Path | None = None) -> str: ...


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        sandbox = [] if os.getuid() else ["--no-sandbox"]  # Chromium cannot sandbox root
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture
def start_aim(tmp_path: Path) -> Iterator[StartAim]:
    CertificateAuthority.create(tmp_path / "authority", "test").issue_client("hallway").write(tmp_path / "device")
    with ExitStack() as stack:

        def start(*options: str, image: Path | None = None) -> str:
            path = f"path = '{image}'\n" if image else ""
            (tmp_path / "agent.toml").write_text(
                'device = "hallway"\noutbox = "outbox.db"\n[mqtt]\nhost = "mien.example.org"\n'
                'certificate_file = "device.crt"\nkey_file = "device.key"\n'
                f"[motion]\nkind = 'frame_difference'\n[camera]\nkind = 'demo'\nframes_per_second = 20\n{path}"
            )
            command = [sys.executable, "-m", "mien", "aim", "--config", "agent.toml", "--port", "0", *options]
            process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
            assert process.stdout
            stack.callback(process.stdout.close)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process.stdout.readline().strip()

        yield start


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A drawn room with a door, a table and the portrait, which the demo camera shows at half the size."""
    room = np.full((720, 960, 3), 168, np.uint8)
    room[560:] = 96  # the floor
    cv2.rectangle(room, (90, 150), (260, 560), (70, 90, 110), -1)
    cv2.circle(room, (240, 370), 8, (200, 200, 200), -1)
    cv2.rectangle(room, (620, 470), (900, 490), (60, 70, 80), -1)
    for left in (630, 875):
        cv2.rectangle(room, (left, 490), (left + 15, 640), (60, 70, 80), -1)
    portrait = read_image(PORTRAIT, color=True)
    height = 160
    width = round(portrait.shape[1] * height / portrait.shape[0])
    room[250 : 250 + height, 400 : 400 + width] = cv2.resize(portrait, (width, height), interpolation=cv2.INTER_AREA)
    cv2.rectangle(room, (400, 250 + height), (400 + width, 660), (40, 60, 150), -1)
    assert cv2.imwrite(str(tmp_path / "room.png"), room)
    return tmp_path / "room.png"


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A browser page whose script errors fail the test; parametrize it with options of its context."""
    options: dict[str, Any] = {"viewport": {"width": 1200, "height": 760}}
    context = browser.new_context(**options | getattr(request, "param", {}))
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


def save_screenshot(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"aim-{name}.png", full_page=True)


def serious_violations(page: Page) -> list[tuple[str, list[str]]]:
    """What an automatic check of accessibility finds wrong with the page, and where."""
    return [
        (violation["id"], [node["html"] for node in violation["nodes"]])
        for violation in Axe().run(page)["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


def painted(page: Page) -> int:
    """How many pixels of the canvas are not transparent."""
    script = """() => {
        const canvas = document.getElementById("canvas");
        const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return pixels.filter((value, index) => index % 4 === 3 && value > 0).length;
    }"""
    return int(page.evaluate(script))


CONTEXTS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True},
}


@pytest.mark.parametrize(("page", "name"), [(options, name) for name, options in CONTEXTS.items()], indirect=["page"])
def test_it_says_what_to_do_and_shows_a_sketch(page: Page, name: str, room: Path, start_aim: StartAim) -> None:
    images: list[str] = []
    page.on("request", lambda request: images.append(request.url) if "image.jpg" in request.url else None)
    page.goto(start_aim(image=room))
    expect(page.locator("#advice-size")).to_have_text(
        re.compile(r"^faces here are (2\d|3\d) px, 40 are needed: .* of the distance closer$")
    )
    expect(page.locator("#advice-size")).to_have_class("warning")
    expect(page.locator("#advice-light")).to_have_text(re.compile("^enough light, brightness"))
    expect(page.locator("#advice-head")).to_have_text("seen from the front")
    expect(page.locator("#advice-motion")).to_have_text("something moves")
    expect(page.locator("#canvas")).to_have_attribute("aria-label", re.compile(r"^Faces in view: \d+ pixels$"))
    expect(page.locator("#caption")).to_contain_text("faces that are found are left blank")
    expect(page.locator("#left")).to_have_text(re.compile(r"^closes in (9:\d\d|10:00)$"))
    assert painted(page) > 500
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width == 0, "the page is wider than the window"
    save_screenshot(page, name)
    assert serious_violations(page) == []
    assert images == []
    assert page.url.endswith("/")  # without the token


@pytest.mark.parametrize("page", [CONTEXTS["phone"]], indirect=True)
def test_the_image_is_shown_on_request(page: Page, start_aim: StartAim) -> None:
    page.goto(start_aim("--image"))
    expect(page.locator("#image")).to_be_visible()
    expect(page.locator("#caption")).to_contain_text("The camera's own image")
    expect(page.locator("#advice-size")).to_have_text(re.compile(r"^faces here are 1\d\d px, 40 are needed$"))
    expect(page.locator("#image")).to_have_js_property("naturalWidth", 640)
    boxes = [page.locator(name).bounding_box() for name in ("#image", "#canvas")]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["x"] == pytest.approx(boxes[1]["x"], abs=1)
    assert boxes[0]["y"] == pytest.approx(boxes[1]["y"], abs=1)
    assert boxes[0]["width"] == pytest.approx(boxes[1]["width"], abs=1)
    assert boxes[0]["height"] == pytest.approx(boxes[1]["height"], abs=2)
    save_screenshot(page, "image-phone")
    assert serious_violations(page) == []


def test_a_second_browser_is_told_so_and_the_first_goes_on(page: Page, browser: Browser, start_aim: StartAim) -> None:
    url = start_aim()
    page.goto(url)
    expect(page.locator("#advice-size")).to_be_visible()
    other = browser.new_context()
    second = other.new_page()
    second.goto(url)
    expect(second.locator("#problem")).to_have_text(re.compile("^another browser has opened this address"))
    expect(second.locator("main")).to_be_hidden()
    other.close()
    page.reload()
    expect(page.locator("#advice-size")).to_be_visible()


def test_with_the_field_of_view_it_advises_in_metres(page: Page, room: Path, start_aim: StartAim) -> None:
    page.goto(start_aim("--view-degrees", "66", image=room))
    expect(page.locator("#advice-size")).to_have_text(
        re.compile(r"^faces here are 3\d px, 40 are needed: (half a metre|0\.\d metres) closer$")
    )


def test_finishing_ends_it(page: Page, start_aim: StartAim) -> None:
    page.goto(start_aim())
    page.locator("#finish").click()
    expect(page.locator("#problem")).to_have_text(CLOSED)
    expect(page.locator("main")).to_be_hidden()
    assert serious_violations(page) == []


def test_the_page_says_when_it_has_closed_by_itself(page: Page, start_aim: StartAim) -> None:
    page.goto(start_aim("--minutes", "0.1"))
    expect(page.locator("#problem")).to_have_text(CLOSED)


def test_a_phone_on_the_network_goes_on_after_the_warning(page: Page, start_aim: StartAim) -> None:
    """The certificate is the device's own, for the MQTT broker: no browser can trust it."""
    url = start_aim("--listen", "127.0.0.1")
    assert url.startswith("https://127.0.0.1:")
    with pytest.raises(Exception, match="ERR_CERT_AUTHORITY_INVALID"):
        page.goto(url)
    page.locator("#details-button").click()
    page.locator("#proceed-link").click()
    expect(page.locator("#advice-size")).to_be_visible()
    assert page.url.startswith("https://")
