"""Draws the documents' pictures, docs/dashboard.png and docs/demo.svg, of programs that run: `make pictures`."""

import io
import os
import random
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

from dashboard_process import DashboardProcess
from playwright.sync_api import expect, sync_playwright
from rich.console import CONSOLE_SVG_FORMAT, Console
from samples import make_health, make_observation

from mien.broker.database.engine import open_for_writing
from mien.broker.demo.run import run_demo
from mien.broker.ingest.device_state import DeviceState
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.emotions import EMOTIONS
from mien.messages.health import encode_health
from mien.messages.observation import Observation, Scores, encode_observation
from mien.messages.status import DeviceStatus, encode_device_status
from mien.model.classifier import Classifier

DOCS = Path(__file__).parent
DEVICES = {
    "entrance": {"neutral": 50, "happy": 30, "surprise": 10, "sad": 6, "angry": 4},
    "exhibition": {"happy": 45, "neutral": 28, "surprise": 20, "fear": 4, "sad": 3},
    "shop": {"neutral": 60, "happy": 22, "sad": 8, "angry": 6, "disgust": 4},
}
"""Places where nobody works or is taught, each with how often an expression is seen there."""
VISITORS = {10: 3, 11: 5, 12: 4, 13: 3, 14: 6, 15: 7, 16: 5, 17: 2}
"""By the hour of the day."""
WIDTH_PX = 1120
TERMINAL = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""Without the fonts, which would come from the network."""


def draw_demo() -> None:
    """What `mien demo` prints in ten seconds."""
    console = Console(record=True, file=io.StringIO(), width=76, force_terminal=False, color_system="truecolor")
    run_demo(source=None, seconds=10, database=None, console=console)
    console.save_svg(str(DOCS / "demo.svg"), title="mien demo", code_format=TERMINAL, unique_id="demo")


def draw_dashboard() -> None:
    """The page on three weeks of drawn visitors, at half past four in the afternoon or so."""
    utc_offset_h = min(14, 16 - datetime.now(UTC).hour)
    with TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        record_visitors(folder / "mien.db", utc_offset_h)
        sandbox = [] if os.getuid() else ["--no-sandbox"]  # Chromium cannot sandbox root
        with (
            DashboardProcess(folder) as dashboard,
            playwright.chromium.launch(executable_path=shutil.which("chromium"), args=sandbox) as browser,
        ):
            page = browser.new_page(
                viewport={"width": WIDTH_PX, "height": 800}, timezone_id=f"Etc/GMT{-utc_offset_h:+}"
            )
            page.goto(f"{dashboard.url}/")
            expect(page.locator("#live")).to_have_text("live", timeout=20_000)
            expect(page.locator("#rows tr").first).to_be_visible(timeout=20_000)
            page.wait_for_timeout(2000)  # the charts' transitions
            bottom_px = page.locator("#rows tr").nth(3).evaluate("row => row.getBoundingClientRect().bottom")
            clip = {"x": 0, "y": 0, "width": WIDTH_PX, "height": bottom_px}
            page.screenshot(path=DOCS / "dashboard.png", full_page=True, clip=clip)


def record_visitors(database: Path, utc_offset_h: int) -> None:
    """The log of the picture."""
    generator = random.Random(5)
    now = datetime.now(UTC)
    now_ms = round(now.timestamp() * 1000)
    model = Classifier().card.model_id
    engine = open_for_writing(database)
    store = Store(engine)
    for device in DEVICES:
        outbox = uuid4()
        payloads = [encode_observation(seen) for seen in observe(device, outbox, model, now, utc_offset_h, generator)]
        store.record(
            [decode_message(topic="t", payload=payload, received_ms=now_ms, device=device) for payload in payloads]
        )
        health = make_health(outbox, oldest_seq=1, next_seq=len(payloads) + 1, waiting=0, oldest_age_s=None)
        status = DeviceStatus(state="online", agent="0.1.0", model=model)
        store.save_device_states(
            {
                (device, "status"): DeviceState(encode_device_status(status), now_ms),
                (device, "health"): DeviceState(encode_health(health), now_ms),
            }
        )
    engine.dispose()


def observe(
    device: str, outbox: UUID, model: str, now: datetime, utc_offset_h: int, generator: random.Random
) -> Iterator[Observation]:
    """One row a second of each visitor's, most with the same expression."""
    weights = DEVICES[device]
    local = now.astimezone(timezone(timedelta(hours=utc_offset_h)))
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    starts = [
        midnight - timedelta(days=day, minutes=-60 * hour - generator.randrange(60))
        for day in range(21)
        for hour, visitors in VISITORS.items()
        for _ in range(generator.randint(1, visitors))
    ]
    starts = [start for start in starts if start < now - timedelta(minutes=5)]
    starts += [now - timedelta(seconds=generator.randrange(20, 90)) for _ in range(3)]
    seq = 0
    for start in sorted(starts):
        (main_emotion,) = generator.choices(list(weights), list(weights.values()))
        for second in range(generator.randint(3, 18)):
            seq += 1
            emotion = main_emotion if generator.random() < 0.85 else generator.choice(list(weights))
            confidence = round(min(0.99, max(0.3, generator.gauss(0.78, 0.13))), 4)
            rest = round((1 - confidence) / 6, 4)
            yield make_observation(
                outbox,
                seq,
                at=start + timedelta(seconds=second),
                device=device,
                emotion=emotion,
                confidence=confidence,
                scores=Scores(**(dict.fromkeys(EMOTIONS, rest) | {emotion: confidence})),
                model=model,
            )


if __name__ == "__main__":
    draw_demo()
    draw_dashboard()
