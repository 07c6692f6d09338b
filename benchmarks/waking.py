"""What the agent costs while nothing moves, and how soon a row stands in the log when something does."""

import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from gpiozero.pins.mock import MockFactory
from measure import mosquitto, processor_s

from mien.broker.arrival import Arrival
from mien.broker.collector import Collector
from mien.broker.database import open_for_writing
from mien.broker.metrics import Metrics
from mien.broker.settings import CollectorSettings
from mien.broker.store import Outcome, Store
from mien.classifier import Classifier
from mien.connection import Connection, Event, Message, Received
from mien.edge.agent import Agent
from mien.edge.clock import Clock
from mien.edge.eye import Eye
from mien.edge.motion import Pir
from mien.edge.outbox import Outbox
from mien.edge.rhythm import Rhythm
from mien.edge.settings import AgentSettings, Camera, Motion, Reporting
from mien.edge.uplink import Uplink
from mien.edge.vision import Vision
from mien.faces import HaarDetector
from mien.health import decode_health
from mien.mqtt import Mqtt

SETTLE_S, IDLE_S = 10.0, 60.0
"""After its start the agent is left alone for so long, then watched for so long."""
AGENT = """
device = "benchmark"
outbox = "{folder}/outbox.db"
clock = "trusted"
[mqtt]
port = {port}
[motion]
script = [[1e8, 1e8]]
[camera]
kind = "portrait"
path = "{portrait}"
"""


def idle(portrait: Path) -> dict[str, float | str]:
    """idle_cpu_percent: of one core, by `mien agent run` with a sensor that reports nothing and a broker."""
    with tempfile.TemporaryDirectory() as folder, mosquitto(Path(folder)) as port:
        config = Path(folder) / "agent.toml"
        config.write_text(AGENT.format(folder=folder, port=port, portrait=portrait))
        command = [sys.executable, "-m", "mien", "agent", "run", "--config", str(config)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            time.sleep(SETTLE_S)
            before_s = processor_s(process.pid)
            time.sleep(IDLE_S)
            used_s = processor_s(process.pid) - before_s
            process.terminate()
        return {"idle_cpu_percent": used_s / IDLE_S * 100, "idle_camera": _camera_state(port)}


def _camera_state(port: int) -> str:
    """Of the camera, by what the device has said of its health last."""
    events: queue.Queue[Event] = queue.Queue()
    topic = "mien/benchmark/health"
    with Connection(
        Mqtt(port=port), client_id="reader", will=Message("gone", b""), subscriptions=[topic], events=events
    ):
        while not isinstance(event := events.get(timeout=10), Received):
            pass
    camera = decode_health(event.payload).camera
    return camera.state if camera else "unknown"


class TimedStore(Store):
    """The store, and when it committed rows last."""

    committed_s = 0.0

    def record(self, arrivals: Sequence[Arrival]) -> Outcome:
        outcome = super().record(arrivals)
        self.committed_s = time.monotonic()
        return outcome


@contextmanager
def collecting(settings: CollectorSettings, store: Store):  # type: ignore[no-untyped-def]
    """A collector in a thread."""
    stopping = threading.Event()
    collector = Collector(settings, store=store, metrics=Metrics())
    thread = threading.Thread(target=collector.run, args=[stopping])
    thread.start()
    yield
    stopping.set()
    thread.join()


def wake(portrait: Path, wakes: int) -> dict[str, float | str]:
    """wake_p50_ms and wake_p95_ms: from the sensor's pin to the commit of the first row, with the camera on standby."""
    camera = Camera(kind="portrait", path=str(portrait), standby=True)
    settings = AgentSettings(
        device="benchmark", motion=Motion(settle_s=0, hold_s=0.2), camera=camera, reporting=Reporting(interval_s=1.0)
    )
    factory = MockFactory()
    stopping = threading.Event()
    times_ms = []
    with tempfile.TemporaryDirectory() as folder, mosquitto(Path(folder)) as port:
        mqtt = Mqtt(port=port)
        database = str(Path(folder) / "mien.db")
        store = TimedStore(open_for_writing(database))
        clock = Clock("trusted")
        with (
            collecting(CollectorSettings(database=database, mqtt=mqtt), store),
            Outbox(Path(folder) / "outbox.db", device=settings.device) as outbox,
            Eye(settings.camera, standby=True) as eye,
            Pir(settings.motion, factory) as motion,
            Uplink(mqtt, device=settings.device, model_id="0" * 12, outbox=outbox, clock=clock),
        ):
            vision = Vision(settings.faces, detector=HaarDetector(), classifier=Classifier())
            agent = Agent(
                settings,
                motion=motion,
                eye=eye,
                vision=vision,
                outbox=outbox,
                clock=clock,
                rhythm=Rhythm(settings.motion),
            )
            thread = threading.Thread(target=agent.run, args=[stopping])
            thread.start()
            pin = factory.pin(settings.motion.pin)
            for number in range(wakes + 1):
                woken_s = time.monotonic()
                pin.drive_high()
                while store.committed_s < woken_s:
                    time.sleep(0.001)
                if number:  # the first connects
                    times_ms.append((store.committed_s - woken_s) * 1000)
                pin.drive_low()
                time.sleep(1.0 + number % 7 / 10)  # the capture ends, and what is left of it is stored
            stopping.set()
            thread.join()
    p50, p95 = np.percentile(times_ms, (50, 95))
    period_ms = 1000 / camera.frames_per_second
    bound_ms = settings.reporting.interval_s * 1000 + 2 * period_ms + 350
    return {
        "wakes": float(wakes),
        "wake_p50_ms": float(p50),
        "wake_p95_ms": float(p95),
        "wake_p95_of_bound": float(p95) / bound_ms,
    }
