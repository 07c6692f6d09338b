"""Who gets what from the web server, and who does not."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from polling import wait_for

from mien.deploy.server.certificate_authority import CertificateAuthority
from mien.edge.aim.address import ListenAddress
from mien.edge.aim.advice import Adviser
from mien.edge.aim.handler import COOKIE, TAKEN, WRONG_ADDRESS, WRONG_HOST
from mien.edge.aim.motion import MotionLine
from mien.edge.aim.server import MAX_CONNECTIONS, serving
from mien.edge.aim.session import Session
from mien.edge.aim.viewing import Viewing
from mien.edge.aim.watcher import Watcher
from mien.edge.camera.camera_manager import CameraManager
from mien.edge.camera.settings import DemoCameraSettings
from mien.edge.camera_lease import borrow_camera
from mien.edge.motion.settings import AlwaysOnSettings, MotionSettings
from mien.edge.settings import AgentSettings
from mien.edge.vision.factory import open_detector
from mien.mqtt.settings import MqttSettings

OPEN_PATHS = ["/", "/aim.css", "/aim.js"]


@dataclass
class Site:
    """A running server, as a browser's requests see it."""

    viewing: Viewing
    port: int
    finished: threading.Event
    tls: ssl.SSLContext | None = None
    cookie: str = ""
    connections: list[HTTPConnection] = field(default_factory=list)

    def request(
        self, path: str, *, method: str = "GET", body: str | None = None, **headers: str
    ) -> tuple[HTTPResponse, bytes]:
        """Header names with underscores instead of hyphens."""
        connection = (
            HTTPSConnection("127.0.0.1", self.port, timeout=20, context=self.tls)
            if self.tls
            else HTTPConnection("127.0.0.1", self.port, timeout=20)
        )
        try:
            own = {"Cookie": self.cookie} if self.cookie else {}
            sent = own | {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def open_session(self) -> HTTPResponse:
        response, _ = self.request("/session", method="POST", body=self.viewing.session.token)
        self.cookie = response.headers.get("Set-Cookie", "").partition(";")[0]
        return response

    def state(self, after: int = 0) -> dict[str, Any]:
        _, content = self.request(f"/state?after={after}")
        state: dict[str, Any] = json.loads(content)
        return state

    def wait_for_frame(self) -> dict[str, Any]:
        wait_for(lambda: self.state()["view"]["sketch"])
        return self.state()


StartSite = Callable[..., Site]


@pytest.fixture
def start_site(tmp_path: Path) -> Iterator[StartSite]:
    """A function that serves the demo camera, with the image or not, and with TLS or not."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(
            *, shows_image: bool = False, mqtt: MqttSettings | None = None, motion: MotionSettings | None = None
        ) -> Site:
            camera = DemoCameraSettings(frames_per_second=20)
            outbox = str(tmp_path / "outbox.db")
            settings = AgentSettings(
                device="hallway", camera=camera, motion=motion or AlwaysOnSettings(), outbox=outbox
            )
            address = ListenAddress.on_network("127.0.0.1", mqtt) if mqtt else ListenAddress.local()
            manager = stack.enter_context(CameraManager(camera, standby=True))
            borrowed = stack.enter_context(borrow_camera(tmp_path / "outbox.db"))
            watcher = Watcher(
                manager,
                detector=open_detector(settings.faces),
                adviser=Adviser(settings=settings),
                motion=MotionLine(settings, borrowed, manager),
            )
            finished = threading.Event()
            viewing = Viewing(
                address=address,
                session=Session(),
                watcher=stack.enter_context(watcher),
                shows_image=shows_image,
                end_s=time.monotonic() + 60,
                on_finish=finished.set,
            )
            port = stack.enter_context(serving(stack.enter_context(address.bind(0)), viewing))
            return Site(viewing, port, finished)

        yield start


@pytest.fixture
def site(start_site: StartSite) -> Site:
    return start_site()


def test_the_page_shows_the_face_and_what_to_do_and_no_image(site: Site) -> None:
    site.open_session()
    state = site.wait_for_frame()
    view = state["view"]
    assert (view["width"], view["height"], view["needed_px"]) == (640, 480, 40)
    (face,) = view["faces"]
    assert 90 < face["side_px"] < 130
    assert face["problem"] == ""
    assert {advice["topic"]: advice["level"] for advice in view["advice"]} == {
        "size": "ok", "light": "ok", "sharpness": "ok", "head": "ok", "motion": "ok",
    }  # fmt: skip
    assert not state["shows_image"]
    assert 50 <= state["seconds_left"] <= 60
    assert site.request("/image.jpg")[0].status == 404


def test_each_view_is_new_and_waits_for_its_frame(site: Site) -> None:
    site.open_session()
    first = site.wait_for_frame()["view"]["number"]
    second = site.state(after=first)["view"]["number"]
    assert second > first


def test_the_image_is_shown_only_if_asked_for(start_site: StartSite) -> None:
    site = start_site(shows_image=True)
    assert site.request("/image.jpg")[0].status == 401
    site.open_session()
    assert site.wait_for_frame()["shows_image"]
    response, content = site.request("/image.jpg?view=1")
    assert response.headers["Content-Type"] == "image/jpeg"
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (480, 640, 3)


@pytest.mark.parametrize("path", ["/state", "/image.jpg", "/finish", "/nowhere", "/../agent.toml", "/aim.js?x"])
def test_without_a_session_nothing_is_shown(path: str, start_site: StartSite) -> None:
    site = start_site(shows_image=True)
    if path == "/aim.js?x":
        assert site.request(path)[0].status == 200
        return
    for cookie in ("", f"{COOKIE}=", f"{COOKIE}={site.viewing.session.token}", "é;;="):
        headers = {"Cookie": cookie} if cookie else {}
        response, content = site.request(path, **headers)
        assert response.status == 401
        assert json.loads(content) == {"error": WRONG_ADDRESS}
    assert site.request("/finish", method="POST")[0].status == 401
    assert not site.finished.is_set()


def test_a_second_browser_is_told_that_another_one_looks(site: Site) -> None:
    assert site.open_session().status == 200
    viewer, site.cookie = site.cookie, ""
    response, content = site.request("/session", method="POST", body=site.viewing.session.token)
    assert (response.status, json.loads(content)) == (403, {"error": TAKEN})
    response, content = site.request("/state")
    assert (response.status, json.loads(content)) == (401, {"error": TAKEN})
    site.cookie = viewer
    assert site.wait_for_frame()


def test_a_wrong_token_is_refused(site: Site) -> None:
    for wrong in ("", "x", site.viewing.session.token[:-1], "é" * 22):
        response, content = site.request("/session", method="POST", body=wrong.encode().decode("latin-1"))
        assert (response.status, json.loads(content)) == (403, {"error": WRONG_ADDRESS})
        assert "Set-Cookie" not in response.headers
    assert site.open_session().status == 200


def test_the_cookie_is_for_this_site_s_requests_only(site: Site) -> None:
    cookie = site.open_session().headers["Set-Cookie"]
    assert cookie.split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Strict"]


@pytest.mark.parametrize("path", [*OPEN_PATHS, "/state", "/nowhere"])
def test_another_host_name_is_not_served(path: str, site: Site) -> None:
    """A web page that rebinds its own name to this address sends that name (DNS rebinding)."""
    site.open_session()
    for host in ("evil.example", f"evil.example:{site.port}", "", "127.0.0.1.evil.example"):
        response, content = site.request(path, Host=host)
        assert (response.status, json.loads(content)) == (421, {"error": WRONG_HOST})


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_another_page_cannot_use_the_viewer_s_browser(headers: dict[str, str], site: Site) -> None:
    site.open_session()
    assert site.request("/state", **headers)[0].status == 403
    assert site.request("/finish", method="POST", **headers)[0].status == 403
    assert not site.finished.is_set()


@pytest.mark.parametrize("path", [*OPEN_PATHS, "/state", "/nowhere"])
def test_nothing_is_kept_framed_or_shared(path: str, site: Site) -> None:
    for _ in range(2):
        response, _ = site.request(path)
        assert response.headers["Cache-Control"] == "no-store"
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Server"] == "mien"
        assert not [name for name in response.headers if name.lower().startswith("access-control-")]
        site.open_session()


def test_a_long_body_is_refused(site: Site) -> None:
    assert site.request("/session", method="POST", body="x" * 5000)[0].status == 413
    assert site.request("/session", method="POST", body="x", Content_Length="-1")[0].status == 413
    assert site.open_session().status == 200


def test_the_viewer_can_end_it(site: Site) -> None:
    site.open_session()
    assert site.request("/finish")[0].status == 404
    assert site.request("/finish", method="POST")[0].status == 200
    assert site.finished.wait(20)


def test_a_viewer_who_waits_is_told_that_it_has_closed(site: Site) -> None:
    site.open_session()
    number = site.wait_for_frame()["view"]["number"]
    answers: list[dict[str, Any]] = []

    def wait() -> None:
        state = site.state(after=number)
        while not state["is_closed"]:
            state = site.state(after=state["view"]["number"])
        answers.append(state)

    thread = threading.Thread(target=wait)
    thread.start()
    site.viewing.close()
    thread.join(20)
    assert [answer["is_closed"] for answer in answers] == [True]


def test_nobody_reads_the_camera_unless_somebody_looks(site: Site) -> None:
    time.sleep(0.6)  # two frames' time
    site.open_session()
    assert site.state()["view"]["number"] <= 1  # it would be at the third by now
    site.wait_for_frame()


def test_too_many_connections_are_closed_and_silent_ones_do_not_stop_the_viewer(site: Site) -> None:
    site.open_session()
    silent = [socket.create_connection(("127.0.0.1", site.port), timeout=20) for _ in range(MAX_CONNECTIONS - 4)]
    assert site.wait_for_frame()
    more = [socket.create_connection(("127.0.0.1", site.port), timeout=20) for _ in range(8)]
    closed = more[-1].recv(1)
    assert closed == b""
    for connection in (*silent, *more):
        connection.close()
    wait_for(lambda: _is_served(site))


def _is_served(site: Site) -> bool:
    try:
        return bool(site.state())
    except OSError:
        return False


def test_on_the_network_all_is_encrypted(tmp_path: Path, start_site: StartSite) -> None:
    authority = CertificateAuthority.create(tmp_path / "authority", "test")
    authority.issue_client("hallway").write(tmp_path / "device")
    mqtt = MqttSettings(
        host="mien.example.org", certificate_file=str(tmp_path / "device.crt"), key_file=str(tmp_path / "device.key")
    )
    site = start_site(mqtt=mqtt)
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as plain:
        silent = socket.create_connection(("127.0.0.1", site.port), timeout=20)  # no handshake: others go on
        plain.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"html" not in plain.recv(4096)
    site.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    site.tls.check_hostname = False
    site.tls.verify_mode = ssl.CERT_NONE
    cookie = site.open_session().headers["Set-Cookie"]
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict; Secure")
    assert site.wait_for_frame()["view"]["faces"]
    with (
        socket.create_connection(("127.0.0.1", site.port), timeout=20) as raw,
        site.tls.wrap_socket(raw) as encrypted,
    ):
        shown = ssl.DER_cert_to_PEM_cert(encrypted.getpeercert(binary_form=True) or b"")
    assert shown.split() == (tmp_path / "device.crt").read_text().split()
    silent.close()
