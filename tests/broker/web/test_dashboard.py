"""The dashboard in a real browser: headless Chromium, with the real server, collector and mosquitto.

Screenshots for a person to look at are saved in the folder that the environment variable SCREENSHOTS names.
"""

import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_core_python.sync_playwright import Axe
from dashboard_process import DashboardProcess
from mosquitto import Mosquitto
from msgspec.structs import replace
from paho.mqtt import publish
from playwright.sync_api import Browser, Page, expect, sync_playwright
from running_collector import running_collector
from samples import make_health, make_observation
from sqlalchemy import insert, update
from uuid6 import uuid7

from mien.broker.database import schema
from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.device_state import DeviceState
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.broker.predictions.uncertainty import shipped_thresholds
from mien.broker.settings import CollectorSettings
from mien.emotions import EMOTIONS
from mien.messages.health import CameraHealth, SensorHealth, encode_health
from mien.messages.observation import Observation, Scores, encode_observation
from mien.messages.status import DeviceStatus, encode_device_status
from mien.mqtt.settings import MqttSettings

CHROMIUM = shutil.which("chromium")
SCREENSHOTS = os.environ.get("SCREENSHOTS")
expect.set_options(timeout=20_000)  # a busy machine starts the page slowly
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: make system")


def observation(at: datetime, emotion: str = "happy", confidence: float = 0.7, **changes: Any) -> Observation:
    rest = min(confidence, round((1 - confidence) / 6, 4))
    scores = Scores(**(dict.fromkeys(EMOTIONS, rest) | {emotion: confidence}))
    return make_observation(at=at, emotion=emotion, confidence=confidence, scores=scores, **changes)


def create_log(folder: Path) -> None:
    """Four weeks of observations by three devices, the same in every run except for the dates."""
    generator = random.Random(7)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    engine = open_for_writing(folder / "mien.db")
    store = Store(engine)
    for device, emotions in (("cellar", ("sad", "neutral")), ("hallway", EMOTIONS), ("kitchen", ("happy", "surprise"))):
        outbox = uuid7()
        observations: list[Observation] = []
        for day in range(28):
            for hour in sorted(generator.sample(range(7, 22), 5)):
                start, main_emotion = today - timedelta(days=day, hours=24 - hour), generator.choice(emotions)
                observations += [
                    observation(
                        start + timedelta(minutes=generator.randrange(50), seconds=second),
                        main_emotion if generator.random() < 0.8 else "neutral",
                        round(generator.uniform(0.4, 0.95), 4),
                        device=device,
                        outbox=outbox,
                        seq=len(observations) + second + 1,
                    )
                    for second in range(generator.randint(5, 40))
                ]
        now = datetime.now(UTC)
        newest = observation(now, emotions[0], device=device, outbox=outbox, seq=len(observations) + 1)
        observations.append(newest)  # something has always happened within the last day
        payloads = [encode_observation(sent) for sent in observations]
        store.record(
            [decode_message(topic="t", payload=payload, received_ms=now_ms, device=device) for payload in payloads]
        )
        status = DeviceStatus(state="offline" if device == "cellar" else "online", agent="0.1.0", model="0123456789ab")
        health = make_health(
            outbox,
            oldest_seq=1,
            next_seq=len(observations) + 1,
            waiting=0,
            oldest_age_s=None,
            dropped=2 * (device == "cellar"),
        )
        store.save_device_states(
            {
                (device, "status"): DeviceState(encode_device_status(status), now_ms),
                (device, "health"): DeviceState(encode_health(health), now_ms),
            }
        )
    engine.dispose()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        sandbox = [] if os.getuid() else ["--no-sandbox"]  # Chromium cannot sandbox root
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardProcess]:
    folder = tmp_path_factory.mktemp("dashboard")
    create_log(folder)
    with DashboardProcess(folder) as dashboard:
        yield dashboard


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A browser page whose script errors fail the test; parametrize it with options of its context."""
    options = {"viewport": {"width": 1280, "height": 900}, "timezone_id": "Europe/Berlin"}
    context = browser.new_context(**options | getattr(request, "param", {}))
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


def open_dashboard(page: Page, dashboard: DashboardProcess, query: str = "") -> Page:
    page.goto(f"{dashboard.url}/{query}")
    expect(page.locator("#live")).to_have_text("live")
    expect(page.locator("#rows tr, #no-rows:visible").first).to_be_visible()
    return page


def save_screenshot(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.wait_for_timeout(1000)
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png", full_page=True)


def serious_violations(page: Page) -> list[tuple[str, list[str]]]:
    """What an automatic check of accessibility finds wrong with the page, and where."""
    return [
        (violation["id"], [node["html"] for node in violation["nodes"]])
        for violation in Axe().run(page)["violations"]
        if violation["impact"] in ("serious", "critical")
    ]


CONTEXTS = {
    "light": {},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True},
}


@pytest.mark.parametrize(("page", "name"), [(options, name) for name, options in CONTEXTS.items()], indirect=["page"])
def test_it_shows_the_log_and_is_accessible(page: Page, name: str, dashboard: DashboardProcess) -> None:
    open_dashboard(page, dashboard, "?since=7d")
    expect(page.locator("#devices > li")).to_have_count(3)
    expect(page.locator("#devices > li").nth(0)).to_contain_text("2 dropped because the outbox was full")
    expect(page.locator("#devices .state")).to_have_text(["offline", "online", "online"])
    expect(page.locator("#rows tr")).to_have_count(50)
    for chart in ("#timeline", "#week"):
        expect(page.locator(f"{chart} .main-svg").first).to_be_visible()
        expect(page.locator(chart)).to_have_attribute("aria-label", re.compile("racked-face seconds"))
    expect(page.locator("#timeline-title")).to_have_text("By day")
    width = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width == 0, "the page is wider than the window"
    save_screenshot(page, name)
    assert serious_violations(page) == []


@pytest.mark.parametrize("page", [{}, CONTEXTS["phone"]], indirect=True)
def test_a_flooding_device_and_a_busy_collector_are_named(page: Page, tmp_path: Path) -> None:
    engine = open_for_writing(tmp_path / "mien.db")
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    with engine.begin() as connection:
        connection.execute(insert(schema.device).values(key=1, name="hallway"))
        connection.execute(insert(schema.discarded).values(device=1, rows=81_234, last_ms=now_ms - 3 * 3_600_000))
        state = {"name": "one", "state": "busy", "reason": "clock", "received_ms": now_ms}
        connection.execute(insert(schema.collector_state).values(state))
    with DashboardProcess(tmp_path) as dashboard:
        open_dashboard(page, dashboard)
        expect(page.locator("#busy")).to_have_text(
            "Collector one stores nothing because the clock of its machine cannot be right. "
            "Devices keep their observations meanwhile."
        )
        expect(page.locator("#devices > li")).to_contain_text("81234 discarded because it sends too many, last 3 h ago")
        assert serious_violations(page) == []
        save_screenshot(page, "busy")
        with engine.begin() as connection:
            connection.execute(update(schema.collector_state).values(state="online", reason=""))
        page.reload()
        expect(page.locator("#devices > li")).to_have_count(1)
        expect(page.locator("#busy")).to_be_hidden(timeout=30_000)  # the response may be cached; the page asks again
    engine.dispose()


def test_faults_of_cameras_and_sensors_are_named_with_what_to_do(page: Page, tmp_path: Path) -> None:
    engine = open_for_writing(tmp_path / "mien.db")
    store, now_ms = Store(engine), round(datetime.now(UTC).timestamp() * 1000)
    camera = CameraHealth(kind="usb", state="on", failures=0, error="")
    sensor = SensorHealth(kind="pir", state="ok", wakes_last_hour=0, period_s=None)
    states = {
        "attic": (replace(camera, fault="black"), replace(sensor, fault="silent")),
        "cellar": (
            replace(camera, state="failing", fault="refused", error="the camera in url delivers no frames: check it"),
            replace(sensor, state="stuck", fault="bouncing"),
        ),
        "hall": (replace(camera, color=False), replace(sensor, state="stuck")),  # a sensor of an older release
        "kitchen": (replace(camera, fault="upside_down"), sensor),  # a camera of a newer one
    }
    for device, (camera, sensor) in states.items():
        health = replace(make_health(), camera=camera, sensor=sensor)
        status = encode_device_status(DeviceStatus(state="online", agent="0.1.0", model="0123456789ab"))
        parts = {"status": status, "health": encode_health(health)}
        store.save_device_states({(device, topic): DeviceState(part, now_ms) for topic, part in parts.items()})
    engine.dispose()
    with DashboardProcess(tmp_path) as dashboard:
        open_dashboard(page, dashboard)
        expect(page.locator("#devices > li")).to_have_count(4)
        for device, messages in {
            "attic": [
                "camera: its image is black; uncover the lens, or turn on a light",
                "motion sensor: no motion for days; check its wires with mien doctor --motion 60",
            ],
            "cellar": [
                "camera refused: the camera in url delivers no frames: check it",
                "motion sensor: signals faster than a sensor's; fix the wire to OUT, which is loose or disturbed",
            ],
            "hall": [
                "camera: no color, as at night by infra-red light",
                "motion sensor: motion without a pause; check its wires, and turn it away from heat and sunlight",
            ],
            "kitchen": ["camera: upside_down"],
        }.items():
            card = page.locator("#devices > li", has_text=device)
            for message in messages:
                expect(card).to_contain_text(message)
        assert serious_violations(page) == []
        save_screenshot(page, "faults")


@pytest.fixture(scope="module")
def uncertain_dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardProcess]:
    """Of two devices with the shipped model: the hallway's predictions have changed, the kitchen's have not."""
    folder = tmp_path_factory.mktemp("uncertain")
    now, outbox = datetime.now(UTC), uuid7()
    (model, threshold), *_ = shipped_thresholds().items()
    engine = open_for_writing(folder / "mien.db")
    store = Store(engine)
    seq = 0
    for device, emotion in (("hallway", "sad"), ("kitchen", "happy")):
        observations = []
        for days_ago, shown in ((5, "happy"), (0, emotion)):
            for number in range(320):
                seq += 1
                at = now - timedelta(days=days_ago, seconds=330 - number)
                confidence = round(threshold + (0.2 if number % 2 else -0.1), 4)
                sent = observation(at, shown, confidence, device=device, outbox=outbox, seq=seq, model=model)
                observations.append(encode_observation(sent))
        received_ms = round(now.timestamp() * 1000)
        store.record(
            [decode_message(topic="t", payload=one, received_ms=received_ms, device=device) for one in observations]
        )
    engine.dispose()
    with DashboardProcess(folder) as dashboard:
        yield dashboard


@pytest.mark.parametrize(("page", "name"), [(options, name) for name, options in CONTEXTS.items()], indirect=["page"])
def test_low_confidences_are_shown_as_uncertain_until_that_is_switched_off(
    page: Page, name: str, uncertain_dashboard: DashboardProcess
) -> None:
    open_dashboard(page, uncertain_dashboard, "?device=hallway")
    emotions = page.locator("#rows tr td:nth-child(3)")
    expect(emotions.nth(0)).to_have_text("sad")
    expect(emotions.nth(1)).to_have_text("uncertain")
    assert sorted(set(emotions.all_inner_texts())) == ["sad", "uncertain"]
    save_screenshot(page, f"uncertain-{name}")
    assert serious_violations(page) == []
    page.locator("select[name=uncertain]").select_option("no")
    expect(emotions.nth(1)).to_have_text("sad")
    assert set(emotions.all_inner_texts()) == {"sad"}
    assert "uncertain=no" in page.url
    page.reload()
    expect(emotions.nth(1)).to_have_text("sad")
    expect(page.locator("select[name=uncertain]")).to_have_value("no")
    page.go_back()
    expect(emotions.nth(1)).to_have_text("uncertain")


def test_a_device_whose_predictions_have_changed_is_marked(page: Page, uncertain_dashboard: DashboardProcess) -> None:
    open_dashboard(page, uncertain_dashboard)
    cards = page.locator("#devices > li")
    expect(cards).to_have_count(2)
    expect(cards.nth(0)).to_contain_text(
        re.compile(r"predictions have changed: (happy 0|sad 100) % in the last day, (100|0) % in the 14 days before")
    )
    expect(cards.nth(1)).not_to_contain_text("predictions have changed")


@pytest.mark.parametrize("page", [{}, CONTEXTS["phone"]], indirect=True)
def test_people_log_in_and_out(page: Page, tmp_path: Path) -> None:
    open_for_writing(tmp_path / "mien.db").dispose()
    (tmp_path / "token").write_text("correct-horse-battery-staple")
    with DashboardProcess(tmp_path, token_file="token") as dashboard:  # noqa: S106 (a file's name)
        page.goto(dashboard.url)
        answers: list[str] = []
        while (pause := re.fullmatch(r"Too many wrong tokens: try again in (\d+) s\.", "".join(answers[-1:]))) is None:
            assert len(answers) < 8  # the pause doubles: on a busy machine the first ones may pass unseen
            page.get_by_label("Token").fill("wrong")
            with page.expect_navigation():
                page.get_by_role("button", name="Log in").click()
            answers.append(page.get_by_role("alert").inner_text().strip())
        assert len(answers) > 3
        assert all(answer.startswith("Wrong token.") for answer in answers[:-1])
        assert serious_violations(page) == []
        save_screenshot(page, "login")
        page.wait_for_timeout(1000 * int(pause[1]) + 100)
        page.get_by_label("Token").fill("correct-horse-battery-staple")
        page.get_by_role("button", name="Log in").click()
        expect(page.locator("#live")).to_have_text("live")
        assert serious_violations(page) == []
        save_screenshot(page, "logged-in")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Token")).to_be_visible()
        page.goto(dashboard.url)
        expect(page).to_have_url(f"{dashboard.url}/login")


def test_filters_apply_to_everything_and_are_in_the_url(page: Page, dashboard: DashboardProcess) -> None:
    open_dashboard(page, dashboard, "?since=7d")
    page.locator("select[name=device]").select_option("cellar")
    page.locator("select[name=emotion]").select_option("sad")
    expect(page.locator("#rows tr td:nth-child(3)").first).to_have_text("sad")
    expect(page.locator("#timeline")).to_have_attribute("aria-label", re.compile(r" of cellar, by day"))
    assert set(page.locator("#rows tr td:nth-child(2)").all_inner_texts()) == {"cellar"}
    assert set(page.locator("#rows tr td:nth-child(3)").all_inner_texts()) == {"sad"}
    assert "device=cellar" in page.url
    assert "emotion=sad" in page.url
    second = open_dashboard(page.context.new_page(), dashboard, page.url.removeprefix(f"{dashboard.url}/"))
    expect(second.locator("select[name=device]")).to_have_value("cellar")
    assert set(second.locator("#rows tr td:nth-child(3)").all_inner_texts()) == {"sad"}
    page.go_back()
    expect(page.locator("select[name=emotion]")).to_have_value("")
    page.get_by_role("button", name="Reset filters").click()
    expect(page.locator("select[name=device]")).to_have_value("")


def test_older_observations_are_a_button_away(page: Page, dashboard: DashboardProcess) -> None:
    open_dashboard(page, dashboard, "?since=7d")
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


def test_an_empty_time_range_and_an_invalid_one_are_explained(page: Page, dashboard: DashboardProcess) -> None:
    open_dashboard(page, dashboard, "?from=2020-01-01T00:00&to=2020-01-02T00:00")
    expect(page.get_by_text("No observations in this time range.")).to_be_visible()
    expect(page.get_by_text("No observations match.")).to_be_visible()
    page.goto(f"{dashboard.url}/?from=2020-01-02T00:00&to=2020-01-01T00:00")
    expect(page.get_by_role("alert")).to_contain_text("to must be later than from")
    save_screenshot(page, "problem")


def test_it_updates_live_and_survives_a_restart_of_the_collector(
    page: Page, tmp_path: Path, start_mosquitto: Callable[[], Mosquitto]
) -> None:
    port = start_mosquitto().port
    settings = CollectorSettings(database=str(tmp_path / "mien.db"), mqtt=MqttSettings(port=port))
    open_for_writing(settings.database).dispose()
    with DashboardProcess(tmp_path) as dashboard:
        page.goto(dashboard.url)
        expect(page.get_by_text("No devices yet.")).to_be_visible()
        save_screenshot(page, "empty")
        for number, emotion in enumerate(("happy", "surprise"), 1):
            payload = encode_observation(observation(datetime.now(UTC), emotion, device="attic"))
            with running_collector(settings):
                while page.locator("#rows tr").count() < number:  # stored once, however often it is sent
                    publish.single("mien/attic/observation", payload, qos=1, port=port)
                    page.wait_for_timeout(200)
            expect(page.locator("#rows tr")).to_have_count(number)
            expect(page.locator("#rows tr td:nth-child(3)").first).to_have_text(emotion)
            expect(page.locator("#devices > li")).to_contain_text([f"{emotion} 70 %"])
        expect(page.locator("select[name=device]")).to_contain_text("attic")
    expect(page.locator("#live")).to_contain_text("disconnected")


@pytest.mark.parametrize(("since", "days"), [("24h", 1), ("7d", 7), ("30d", 30)])
def test_the_timeline_spans_the_requested_time(page: Page, dashboard: DashboardProcess, since: str, days: int) -> None:
    page.goto(f"{dashboard.url}/?since={since}&device=kitchen")
    page.wait_for_selector("#timeline .main-svg")
    start, end = page.evaluate("document.getElementById('timeline').layout.xaxis.range.map(Date.parse)")
    assert days <= (end - start) / 86_400_000 < days + 2.1


@pytest.mark.parametrize("page", [{"viewport": {"width": 390, "height": 844}}], indirect=True)
def test_a_long_device_name_does_not_push_the_emotion_off_a_phone_s_screen(
    page: Page, dashboard: DashboardProcess
) -> None:
    page.goto(f"{dashboard.url}/?since=30d")
    page.wait_for_selector("#rows td")
    page.evaluate("document.querySelector('#rows td:nth-child(2)').textContent = 'x'.repeat(32)")
    emotion = page.locator("#rows tr:first-child td:nth-child(3)").bounding_box()
    assert emotion
    assert emotion["x"] + emotion["width"] <= 390
