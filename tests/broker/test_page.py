"""The page in a real browser: Chromium, headless, on a real dashboard, collector and mosquitto.

Pictures for a person to look at are kept where PICTURES says.
"""

import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from axe_core_python.sync_playwright import Axe
from collecting import collecting
from dashboards import Dashboard
from mosquitto import Mosquitto
from paho.mqtt import publish
from playwright.sync_api import Browser, Page, expect, sync_playwright
from samples import make_health, make_observation
from uuid6 import uuid7

from mien.broker.arrival import decode_arrival
from mien.broker.database import open_for_writing
from mien.broker.device_state import State
from mien.broker.settings import CollectorSettings
from mien.broker.store import Store
from mien.emotions import EMOTIONS
from mien.health import encode as encode_health
from mien.mqtt import Mqtt
from mien.observation import Observation, Scores, encode
from mien.status import DeviceStatus
from mien.status import encode as encode_status

CHROMIUM = shutil.which("chromium")
PICTURES = os.environ.get("PICTURES")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: make system")


def seen(at: datetime, emotion: str = "happy", confidence: float = 0.7, **changes: object) -> Observation:
    rest = min(confidence, round((1 - confidence) / 6, 4))
    scores = Scores(**(dict.fromkeys(EMOTIONS, rest) | {emotion: confidence}))
    return make_observation(at=at, emotion=emotion, confidence=confidence, scores=scores, **changes)


def seed(folder: Path) -> None:
    """Four weeks of three devices, always the same but for today's date."""
    chance = random.Random(7)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    engine = open_for_writing(folder / "mien.db")
    store = Store(engine)
    for device, emotions in (("cellar", ("sad", "neutral")), ("hallway", EMOTIONS), ("kitchen", ("happy", "surprise"))):
        outbox, rows = uuid7(), []
        for day in range(28):
            for hour in sorted(chance.sample(range(7, 22), 5)):
                begin, mood = today - timedelta(days=day, hours=24 - hour), chance.choice(emotions)
                rows += [
                    seen(
                        begin + timedelta(minutes=chance.randrange(50), seconds=second),
                        mood if chance.random() < 0.8 else "neutral",
                        round(chance.uniform(0.4, 0.95), 4),
                        device=device,
                        outbox=outbox,
                        seq=len(rows) + second + 1,
                    )
                    for second in range(chance.randint(5, 40))
                ]
        arrivals = [decode_arrival(topic="t", payload=encode(one), received_ms=now_ms, device=device) for one in rows]
        store.record(arrivals)
        status = DeviceStatus(state="offline" if device == "cellar" else "online", agent="0.1.0", model="0123456789ab")
        health = make_health(
            outbox, oldest_seq=1, next_seq=len(rows) + 1, waiting=0, oldest_age_s=None, dropped=2 * (device == "cellar")
        )
        store.note(
            {
                (device, "status"): State(encode_status(status), now_ms),
                (device, "health"): State(encode_health(health), now_ms),
            }
        )
    engine.dispose()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        sandbox = [] if os.getuid() else ["--no-sandbox"]  # root has none
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    folder = tmp_path_factory.mktemp("dashboard")
    seed(folder)
    with Dashboard(folder) as dashboard:
        yield dashboard


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page whose every error fails the test; parametrise with what makes its context different."""
    kind = {"viewport": {"width": 1280, "height": 900}, "timezone_id": "Europe/Berlin"} | getattr(request, "param", {})
    context = browser.new_context(**kind)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


def opened(page: Page, dashboard: Dashboard, query: str = "") -> Page:
    page.goto(f"{dashboard.url}/{query}")
    expect(page.locator("#live")).to_have_text("live")
    expect(page.locator("#rows tr, #no-rows:visible").first).to_be_visible()
    return page


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.wait_for_timeout(1000)
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


LOOKS = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True},
}


@pytest.mark.parametrize(("page", "name"), [(kind, name) for name, kind in LOOKS.items()], indirect=["page"])
def test_it_shows_the_log_and_everybody_can_read_it(page: Page, name: str, dashboard: Dashboard) -> None:
    opened(page, dashboard, "?since=7d")
    expect(page.locator("#devices > li")).to_have_count(3)
    expect(page.locator("#devices > li").nth(0)).to_contain_text("2 dropped, its outbox was full")
    expect(page.locator("#devices .state")).to_have_text(["offline", "online", "online"])
    expect(page.locator("#rows tr")).to_have_count(50)
    for chart in ("#day", "#week"):
        expect(page.locator(f"{chart} .main-svg").first).to_be_visible()
        expect(page.locator(chart)).to_have_attribute("aria-label", re.compile("racked-face seconds"))
    expect(page.locator("#day-title")).to_have_text("By day")
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width == 0, "the page is wider than its window"
    picture(page, name)
    found = Axe().run(page)
    serious = [
        (one["id"], [node["html"] for node in one["nodes"]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_filters_narrow_what_is_shown_and_stand_in_the_url(page: Page, dashboard: Dashboard) -> None:
    opened(page, dashboard, "?since=7d")
    page.locator("select[name=device]").select_option("cellar")
    page.locator("select[name=emotion]").select_option("sad")
    expect(page.locator("#rows tr td:nth-child(3)").first).to_have_text("sad")
    expect(page.locator("#day")).to_have_attribute("aria-label", re.compile(r" of cellar, by day"))
    assert set(page.locator("#rows tr td:nth-child(2)").all_inner_texts()) == {"cellar"}
    assert set(page.locator("#rows tr td:nth-child(3)").all_inner_texts()) == {"sad"}
    assert "device=cellar" in page.url
    assert "emotion=sad" in page.url
    again = opened(page.context.new_page(), dashboard, page.url.removeprefix(f"{dashboard.url}/"))
    expect(again.locator("select[name=device]")).to_have_value("cellar")
    assert set(again.locator("#rows tr td:nth-child(3)").all_inner_texts()) == {"sad"}
    page.go_back()
    expect(page.locator("select[name=emotion]")).to_have_value("")
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("select[name=device]")).to_have_value("")


def test_older_observations_are_a_button_away(page: Page, dashboard: Dashboard) -> None:
    opened(page, dashboard, "?since=7d")
    first = page.locator("#rows tr").first.get_attribute("data-id")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.get_by_role("button", name="Older").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#rows tr").first).not_to_have_attribute("data-id", first or "")
    page.get_by_role("button", name="Newest").click()
    expect(page.locator("#rows tr").first).to_have_attribute("data-id", first or "")
    page.locator("summary").first.click()
    expect(page.locator("details table").first).to_be_visible()


def test_an_hour_without_anybody_and_a_wrong_question_say_so(page: Page, dashboard: Dashboard) -> None:
    opened(page, dashboard, "?from=2020-01-01T00:00&to=2020-01-02T00:00")
    expect(page.get_by_text("Nothing was observed in this time.")).to_be_visible()
    expect(page.get_by_text("Nothing matches.")).to_be_visible()
    page.goto(f"{dashboard.url}/?from=2020-01-02T00:00&to=2020-01-01T00:00")
    expect(page.get_by_role("alert")).to_contain_text("to must be later than from")
    picture(page, "nothing")


def test_it_goes_live_and_outlives_a_restart_of_the_collector(
    page: Page, tmp_path: Path, start_mosquitto: Callable[[], Mosquitto]
) -> None:
    port = start_mosquitto().port
    settings = CollectorSettings(database=str(tmp_path / "mien.db"), mqtt=Mqtt(port=port))
    open_for_writing(settings.database).dispose()
    with Dashboard(tmp_path) as dashboard:
        page.goto(dashboard.url)
        expect(page.get_by_text("No device has sent anything yet.")).to_be_visible()
        picture(page, "empty")
        for number, emotion in enumerate(("happy", "surprise"), 1):
            payload = encode(seen(datetime.now(UTC), emotion, device="attic"))
            with collecting(settings):
                while page.locator("#rows tr").count() < number:  # once in the log, however often it is sent
                    publish.single("mien/attic/observation", payload, qos=1, port=port)
                    page.wait_for_timeout(200)
            expect(page.locator("#rows tr")).to_have_count(number)
            expect(page.locator("#rows tr td:nth-child(3)").first).to_have_text(emotion)
            expect(page.locator("#devices > li")).to_contain_text([f"{emotion} 70 %"])
        expect(page.locator("select[name=device]")).to_contain_text("attic")
    expect(page.locator("#live")).to_contain_text("not live")


@pytest.mark.parametrize(("since", "days"), [("24h", 1), ("7d", 7), ("30d", 30)])
def test_the_day_s_axis_spans_the_time_that_was_asked_for(
    page: Page, dashboard: Dashboard, since: str, days: int
) -> None:
    page.goto(f"{dashboard.url}/?since={since}&device=kitchen")
    page.wait_for_selector("#day .main-svg")
    begin, end = page.evaluate("document.getElementById('day').layout.xaxis.range.map(Date.parse)")
    assert days <= (end - begin) / 86_400_000 < days + 2.1


@pytest.mark.parametrize("page", [{"viewport": {"width": 390, "height": 844}}], indirect=True)
def test_a_phone_shows_the_emotion_beside_a_long_name(page: Page, dashboard: Dashboard) -> None:
    page.goto(f"{dashboard.url}/?since=30d")
    page.wait_for_selector("#rows td")
    page.evaluate("document.querySelector('#rows td:nth-child(2)').textContent = 'x'.repeat(32)")
    emotion = page.locator("#rows tr:first-child td:nth-child(3)").bounding_box()
    assert emotion
    assert emotion["x"] + emotion["width"] <= 390
