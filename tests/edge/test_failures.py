"""A device on a wall: whatever fails, it continues, reports what is wrong, and keeps its observations."""

import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from mosquitto import Mosquitto, free_port
from numpy.typing import NDArray
from polling import wait_for

from mien.edge.agent import Agent
from mien.edge.camera.camera_manager import CameraManager
from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.frame import Frame
from mien.edge.camera.image_file import read_image
from mien.edge.camera.settings import DemoCameraSettings
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.health.reporter import HealthReporter
from mien.edge.motion.factory import open_motion_sensor
from mien.edge.motion.frame_difference import FrameDifferenceSensor
from mien.edge.motion.sensor_health import MotionSensorMonitor
from mien.edge.motion.settings import FrameDifferenceSettings, SimulatedMotionSettings
from mien.edge.settings import AgentSettings, ReportingSettings
from mien.edge.vision.factory import open_detector
from mien.edge.vision.pipeline import VisionPipeline
from mien.edge.vision.settings import HaarSettings
from mien.face_detection.haar import HaarDetector
from mien.messages.health import CameraHealth, Health, decode_health
from mien.messages.observation import Observation, decode_observation
from mien.model.classifier import Classifier
from mien.mqtt.connection import Connection
from mien.mqtt.events import Event, Message, Received
from mien.mqtt.settings import MqttSettings

COMMAND = [sys.executable, "-m", "mien", "agent", "--config", "agent.toml"]


class Device:
    """A running agent, with its observations and its health."""

    def __init__(self, settings: AgentSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._outbox: Outbox
        self._health_reporter: HealthReporter

    @contextmanager
    def running(self) -> Iterator[None]:
        stopping, sensor_monitor = threading.Event(), MotionSensorMonitor(self._settings.motion)
        faces = self._settings.faces
        vision = VisionPipeline(faces, detector=open_detector(faces), classifier=Classifier())
        with (
            Outbox(Path(self._settings.outbox), device="hallway") as self._outbox,
            CameraManager(self._settings.camera) as camera_manager,
            open_motion_sensor(self._settings.motion, camera_manager) as motion,
        ):
            self._health_reporter = HealthReporter(
                self._settings,
                camera_manager=camera_manager,
                vision=vision,
                motion=motion,
                sensor_monitor=sensor_monitor,
                clock=self._clock,
            )
            agent = Agent(
                self._settings,
                motion=motion,
                camera_manager=camera_manager,
                vision=vision,
                outbox=self._outbox,
                clock=self._clock,
                sensor_monitor=sensor_monitor,
            )
            thread = threading.Thread(target=agent.run, args=[stopping])
            thread.start()
            try:
                yield
                assert thread.is_alive()
            finally:
                stopping.set()
                thread.join()

    def health(self) -> Health:
        return self._health_reporter.build_health(self._outbox.health(self._clock))

    def observations(self) -> list[Observation]:
        return [decode_observation(payload) for _, payload in self._outbox.read_publishable(1000)]


def make_settings(folder: Path, **changes: object) -> AgentSettings:
    fields: dict[str, object] = {
        "device": "hallway",
        "outbox": str(folder / "outbox.db"),
        "motion": SimulatedMotionSettings(intervals_s=[(0.0, 1e9)]),
        "camera": DemoCameraSettings(frames_per_second=30),
        "reporting": ReportingSettings(interval_s=0.2),
    }
    return AgentSettings(**(fields | changes))  # type: ignore[arg-type]


def test_a_stuck_sensor_is_reported_and_observing_continues_at_a_lower_duty(tmp_path: Path) -> None:
    stuck = SimulatedMotionSettings(intervals_s=[(0.0, 1e9)], stuck_after_s=0.3, faulty_sensor_duty=0.5)
    device = Device(make_settings(tmp_path, motion=stuck), Clock("trusted"))
    with device.running():
        wait_for(lambda: (sensor := device.health().sensor) is not None and sensor.state == "stuck", 30)
        count = len(device.observations())
        wait_for(lambda: len(device.observations()) > count, 60)


def test_a_camera_that_is_taken_away_and_put_back_is_named_in_health(tmp_path: Path) -> None:
    camera = DemoCameraSettings(frames_per_second=20, faults=[(2.0, 5.0, "unplugged")])
    device = Device(make_settings(tmp_path, camera=camera), Clock("trusted"))

    def reported() -> CameraHealth:
        report = device.health().camera
        assert report is not None
        return report

    with device.running():
        wait_for(lambda: reported().state == "failing", 30)
        assert reported().fault in ("stopped", "absent")
        assert "unplugged: wait, or change camera.faults" in reported().error
        count = len(device.observations())
        wait_for(lambda: reported().state == "on" and len(device.observations()) > count, 60)
        assert reported().fault in ("stopped", "absent")  # for two minutes more
        assert (reported().error, reported().color) == ("", True)
        assert sum(reported().faults.values()) >= 1
        assert reported().failures <= 3  # 1, 2 and 4 s apart


def test_a_clock_that_jumps_back_does_not_change_the_order(tmp_path: Path) -> None:
    offset_s = [0.0]
    clock = Clock("trusted", wall_s=lambda: time.time() + offset_s[0])
    device = Device(make_settings(tmp_path), clock)
    with device.running():
        wait_for(lambda: len(device.observations()) >= 2, 30)
        offset_s[0] = -7200.0
        count = len(device.observations())
        wait_for(lambda: len(device.observations()) >= count + 3, 30)
        observations = device.observations()
    assert [observation.seq for observation in observations] == list(range(1, len(observations) + 1))
    ids = [observation.id for observation in observations]
    assert ids == sorted(ids)
    assert (observations[0].at - observations[-1].at).total_seconds() > 7000  # each by the clock as it was


def test_frames_may_change_their_size() -> None:
    portrait = read_image(PORTRAIT)
    settings = HaarSettings(detect_every=10, min_crop_px=12, min_sharpness=0.0)
    vision = VisionPipeline(settings, detector=HaarDetector(), classifier=Classifier())
    stream = vision.open_stream()
    frames: list[Frame] = []
    motion = FrameDifferenceSensor(FrameDifferenceSettings(), lambda: frames[-1])
    for number, image in enumerate(_resize_repeatedly(portrait)):
        frames.append(Frame(image, number * 0.3))
        for face in stream.process(frames[-1], frames[-1].arrived_s):
            assert 0 <= face.box.left <= image.shape[1] - face.box.side
            assert 0 <= face.box.top <= image.shape[0] - face.box.side
        assert motion.is_moving in (True, False)
    assert vision.health().frames == 8
    assert vision.health().faces >= 6


def _resize_repeatedly(portrait: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """The same face in frames of changing size, and a tiny frame without it."""
    for _ in range(2):
        yield portrait
        yield portrait
        yield np.ascontiguousarray(portrait[::2, ::2])
        yield np.full((6, 9), 128, np.uint8)


def write_settings(folder: Path, port: int, camera: str, top: str = "") -> None:
    (folder / "agent.toml").write_text(
        f'device = "hallway"\noutbox = "outbox.db"\nclock = "trusted"\n{top}\n'
        f'[mqtt]\nport = {port}\n[motion]\nkind = "always"\n[camera]\n{camera}\n'
        "frames_per_second = 20\n[reporting]\ninterval_s = 0.25\n"
    )


def test_a_broken_model_is_reported_and_replaced_by_the_default(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = start_mosquitto()
    (tmp_path / "mine.tflite").write_bytes(b"half a copy of a model")
    write_settings(tmp_path, broker.port, 'kind = "demo"', 'model = "mine.tflite"')
    events: queue.Queue[Event] = queue.Queue()
    reader = Connection(
        MqttSettings(port=broker.port),
        client_id="reader",
        will=Message("gone", b""),
        subscriptions=["mien/hallway/health"],
        events=events,
    )
    with reader, subprocess.Popen(COMMAND, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as agent:
        while not isinstance(event := events.get(timeout=60), Received):
            pass
        wait_for(lambda: _count_observations(tmp_path) >= 2, 60)
        agent.send_signal(signal.SIGTERM)
        _, log = agent.communicate(timeout=30)
    assert agent.returncode == 0
    vision = decode_health(event.payload).vision
    assert vision is not None
    assert vision.model == Classifier().model_id
    assert vision.model_error == "mine.tflite has no model card: export the model again with `mien model export`"
    assert f"{vision.model_error}; using the model that ships with mien until then" in log


@pytest.mark.parametrize("hang", ["sleep 1000", "trap '' TERM; cat frame.yuv; sleep 1000"])
def test_it_stops_within_five_seconds_while_its_camera_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hang: str
) -> None:
    (tmp_path / "frame.yuv").write_bytes(bytes(64 * 96))
    program = tmp_path / "rpicam-vid"
    program.write_text(f"#!/bin/sh\ncd {tmp_path}\necho $$ > started\n{hang}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    write_settings(tmp_path, free_port(), 'kind = "rpicam"\nwidth = 64\nheight = 64\nwarmup_frames = 0')
    with subprocess.Popen(COMMAND, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as agent:
        wait_for(lambda: (tmp_path / "started").exists(), 60)
        signaled_s = time.monotonic()
        agent.send_signal(signal.SIGTERM)
        _, log = agent.communicate(timeout=30)
    assert time.monotonic() - signaled_s < 5
    assert agent.returncode == 0
    with pytest.raises(ProcessLookupError):  # nor does the camera's process outlive the agent
        os.kill(int((tmp_path / "started").read_text()), 0)
    assert "Traceback" not in log


def _count_observations(folder: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{folder}/outbox.db?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT next_seq - 1 FROM outbox").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
