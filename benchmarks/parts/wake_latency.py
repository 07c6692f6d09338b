"""What the agent costs without motion, and how soon after motion starts a row is stored in the log."""

import queue
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from gpiozero.pins.mock import MockFactory

from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.collector import Collector
from mien.broker.ingest.message import IncomingMessage
from mien.broker.ingest.metrics import Metrics as CollectorMetrics
from mien.broker.ingest.store import Outcome, Store
from mien.broker.settings import CollectorSettings
from mien.edge.agent import Agent
from mien.edge.camera.camera_manager import CameraManager
from mien.edge.camera.settings import DemoCameraSettings
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.delivery.publisher import Publisher
from mien.edge.motion.pir import PirSensor
from mien.edge.motion.sensor_health import MotionSensorMonitor
from mien.edge.motion.settings import PirSettings
from mien.edge.settings import AgentSettings, ReportingSettings
from mien.edge.vision.pipeline import VisionPipeline
from mien.face_detection.haar import HaarDetector
from mien.messages.health import decode_health
from mien.model.classifier import Classifier
from mien.mqtt.connection import Connection
from mien.mqtt.events import Event, Message, Received
from mien.mqtt.settings import MqttSettings
from parts.measure import ChildProcess, Metrics, cpu_time_s, running_mosquitto

SETTLE_S = 10.0
"""After its start the agent is left alone for this long before it is measured."""
ROW_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
AGENT_CONFIG = """
device = "benchmark"
outbox = "{folder}/outbox.db"
clock = "trusted"
[mqtt]
port = {port}
[motion]
kind = "simulated"
intervals_s = [[1e8, 1e8]]
[camera]
kind = "demo"
"""


def measure_idle_cost(duration_s: float) -> Metrics:
    """idle_cpu_percent: of one core, used by `mien agent` with a broker and a sensor that reports no motion."""
    with tempfile.TemporaryDirectory() as folder, running_mosquitto(Path(folder)) as port:
        config = Path(folder) / "agent.toml"
        config.write_text(AGENT_CONFIG.format(folder=folder, port=port))
        command = [sys.executable, "-m", "mien", "agent", "--config", str(config)]
        with ChildProcess("`mien agent`", command) as agent:
            agent.sleep(SETTLE_S)
            start_s = cpu_time_s(agent.pid)
            agent.sleep(duration_s)
            used_s = cpu_time_s(agent.pid) - start_s
        return {"idle_cpu_percent": used_s / duration_s * 100, "idle_camera": _read_camera_state(port)}


def _read_camera_state(port: int) -> str:
    """The camera's state in the device's last health report, which the broker has retained."""
    events: queue.Queue[Event] = queue.Queue()
    topic = "mien/benchmark/health"
    with Connection(
        MqttSettings(port=port), client_id="reader", will=Message("gone", b""), subscriptions=[topic], events=events
    ):
        try:
            while not isinstance(event := events.get(timeout=10), Received):
                pass
        except queue.Empty:
            sys.exit("the agent has published no health report")
    camera = decode_health(event.payload).camera
    return camera.state if camera else "unknown"


class TimedStore(Store):
    """A store that records when it last committed rows."""

    committed_s = 0.0

    def record(self, messages: Sequence[IncomingMessage], *, urgent: Collection[str] | None = None) -> Outcome:
        outcome = super().record(messages, urgent=urgent)
        self.committed_s = time.monotonic()
        return outcome


@contextmanager
def running_in_thread(run: Callable[[threading.Event], None]) -> Iterator[threading.Thread]:
    """A loop that ends when its event is set, in a thread."""
    stopping = threading.Event()
    thread = threading.Thread(target=run, args=[stopping], daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        stopping.set()
        thread.join(STOP_TIMEOUT_S)


def measure_wake_latency(wakes: int) -> Metrics:
    """wake_p50_ms and wake_p95_ms: from the sensor's pin to the commit of the first row, with the camera on standby."""
    camera = DemoCameraSettings(standby=True)
    motion_settings = PirSettings(warmup_s=0, hold_s=0.2)
    settings = AgentSettings(
        device="benchmark",
        motion=motion_settings,
        camera=camera,
        reporting=ReportingSettings(interval_s=1.0),
    )
    pin_factory = MockFactory()
    latencies_ms = []
    with tempfile.TemporaryDirectory() as folder, running_mosquitto(Path(folder)) as port:
        mqtt = MqttSettings(port=port)
        database = str(Path(folder) / "mien.db")
        store = TimedStore(open_for_writing(database))
        clock = Clock("trusted")
        collector_settings = CollectorSettings(database=database, mqtt=mqtt)
        collector = Collector(collector_settings, store=store, metrics=CollectorMetrics())
        with (
            running_in_thread(collector.run) as collector_thread,
            Outbox(Path(folder) / "outbox.db", device=settings.device) as outbox,
            CameraManager(settings.camera, standby=True) as camera_manager,
            PirSensor(motion_settings, pin_factory) as motion,
            Publisher(mqtt, device=settings.device, model_id="0" * 12, outbox=outbox, clock=clock),
        ):
            vision = VisionPipeline(settings.faces, detector=HaarDetector(), classifier=Classifier())
            agent = Agent(
                settings,
                motion=motion,
                camera_manager=camera_manager,
                vision=vision,
                outbox=outbox,
                clock=clock,
                sensor_monitor=MotionSensorMonitor(settings.motion),
            )
            with running_in_thread(agent.run) as agent_thread:
                pin = pin_factory.pin(motion_settings.pin)
                for number in range(wakes + 1):
                    woken_s = time.monotonic()
                    pin.drive_high()
                    _wait_for_commit(store, woken_s, [agent_thread, collector_thread])
                    if number:  # the first wake also connects
                        latencies_ms.append((store.committed_s - woken_s) * 1000)
                    pin.drive_low()
                    time.sleep(1.0 + number % 7 / 10)  # until the capture has ended and its last rows are stored
    p50_ms, p95_ms = np.percentile(latencies_ms, (50, 95))
    frame_interval_ms = 1000 / camera.frames_per_second
    bound_ms = settings.reporting.interval_s * 1000 + 2 * frame_interval_ms + 350
    return {
        "wakes": float(wakes),
        "wake_p50_ms": float(p50_ms),
        "wake_p95_ms": float(p95_ms),
        "wake_p95_of_bound": float(p95_ms) / bound_ms,
    }


def _wait_for_commit(store: TimedStore, since_s: float, threads: Sequence[threading.Thread]) -> None:
    """Wait until the store commits a row; exits with an error if a thread ends, or after a timeout."""
    while store.committed_s < since_s:
        for thread in threads:
            if not thread.is_alive():
                sys.exit(f"the thread of the {thread.name} has ended: see its error above")
        if time.monotonic() > since_s + ROW_TIMEOUT_S:
            sys.exit(f"no row was stored within {ROW_TIMEOUT_S:.0f} s of motion")
        time.sleep(0.001)
