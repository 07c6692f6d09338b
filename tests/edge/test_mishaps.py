"""What befalls a device in a year on a wall: it goes on, says what is wrong, and keeps what it has seen."""

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
from waiting import wait_for

import mien.broker
from mien.classifier import Classifier
from mien.connection import Connection, Event, Message, Received
from mien.edge.agent import Agent
from mien.edge.clock import Clock
from mien.edge.detector import open_detector
from mien.edge.eye import Eye
from mien.edge.following import FollowingDetector
from mien.edge.frame import Frame, read_picture
from mien.edge.frame_motion import FrameMotion
from mien.edge.motion import open_motion
from mien.edge.outbox import Outbox
from mien.edge.rhythm import Rhythm
from mien.edge.settings import AgentSettings, Camera, Faces, Motion, Reporting
from mien.edge.vision import Vision
from mien.edge.vitals import Vitals
from mien.faces import HaarDetector
from mien.health import Health, decode_health
from mien.mqtt import Mqtt
from mien.observation import Observation, decode_observation

PORTRAIT = Path(next(iter(mien.broker.__path__))) / "portrait.jpg"
COMMAND = [sys.executable, "-m", "mien", "agent", "run", "--config", "agent.toml"]


class Device:
    """A running agent: what it has seen, and how it says it is."""

    def __init__(self, settings: AgentSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._outbox: Outbox
        self._vitals: Vitals

    @contextmanager
    def running(self) -> Iterator[None]:
        stopping, rhythm = threading.Event(), Rhythm(self._settings.motion)
        faces = self._settings.faces
        vision = Vision(faces, detector=open_detector(faces), classifier=Classifier())
        with (
            Outbox(Path(self._settings.outbox), device="hallway") as self._outbox,
            Eye(self._settings.camera) as eye,
            open_motion(self._settings.motion, eye) as motion,
        ):
            self._vitals = Vitals(
                self._settings, eye=eye, vision=vision, motion=motion, rhythm=rhythm, clock=self._clock
            )
            agent = Agent(
                self._settings,
                motion=motion,
                eye=eye,
                vision=vision,
                outbox=self._outbox,
                clock=self._clock,
                rhythm=rhythm,
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
        return self._vitals.health(self._outbox.health(self._clock))

    def seen(self) -> list[Observation]:
        return [decode_observation(payload) for _, payload in self._outbox.ready(1000)]


def settings(folder: Path, **changes: object) -> AgentSettings:
    fields: dict[str, object] = {
        "device": "hallway",
        "outbox": str(folder / "outbox.db"),
        "motion": Motion(script=[(0.0, 1e9)]),
        "camera": Camera(kind="portrait", path=str(PORTRAIT), frames_per_second=20),
        "reporting": Reporting(interval_s=0.25),
    }
    return AgentSettings(**(fields | changes))  # type: ignore[arg-type]


def test_a_stuck_sensor_is_told_and_observing_goes_on_at_a_lower_duty(tmp_path: Path) -> None:
    stuck = Motion(script=[(0.0, 1e9)], stuck_after_s=1.0, unbelieved_duty=0.5)
    device = Device(settings(tmp_path, motion=stuck), Clock("trusted"))
    with device.running():
        wait_for(lambda: (sensor := device.health().sensor) is not None and sensor.state == "stuck", 30)
        before = len(device.seen())
        wait_for(lambda: len(device.seen()) > before, 60)


def test_a_clock_that_jumps_back_breaks_no_order(tmp_path: Path) -> None:
    ahead_s = [0.0]
    clock = Clock("trusted", wall_s=lambda: time.time() + ahead_s[0])
    device = Device(settings(tmp_path), clock)
    with device.running():
        wait_for(lambda: len(device.seen()) >= 2, 30)
        ahead_s[0] = -7200.0
        before = len(device.seen())
        wait_for(lambda: len(device.seen()) >= before + 3, 30)
        seen = device.seen()
    assert [one.seq for one in seen] == list(range(1, len(seen) + 1))
    assert [one.id for one in seen] == sorted(one.id for one in seen)
    assert (seen[0].at - seen[-1].at).total_seconds() > 7000  # each as the clock was then


def test_frames_of_another_size_are_seen_like_any_other() -> None:
    portrait = read_picture(PORTRAIT)
    now_s = [0.0]
    following = FollowingDetector(HaarDetector(), every=10, now_s=lambda: now_s[0])
    vision = Vision(Faces(smallest_crop=12, least_sharpness=0.0), detector=following, classifier=Classifier())
    newest: list[Frame] = []
    motion = FrameMotion(Motion(kind="frames"), lambda: newest[-1])
    for number, picture in enumerate(_sizes(portrait)):
        now_s[0] = number * 0.3
        newest.append(Frame(picture, now_s[0]))
        for face in vision.see(newest[-1]):
            assert 0 <= face.box.left <= picture.shape[1] - face.box.side
            assert 0 <= face.box.top <= picture.shape[0] - face.box.side
        assert motion.moving in (True, False)
    assert vision.health().frames == 8
    assert vision.health().faces >= 6


def _sizes(portrait: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """The same face in frames of changing size."""
    for _ in range(2):
        yield portrait
        yield portrait
        yield np.ascontiguousarray(portrait[::2, ::2])
        yield np.full((6, 9), 128, np.uint8)


def write_settings(folder: Path, port: int, camera: str, top: str = "") -> None:
    (folder / "agent.toml").write_text(
        f'device = "hallway"\noutbox = "outbox.db"\nclock = "trusted"\n{top}\n'
        f'[mqtt]\nport = {port}\n[motion]\nkind = "always"\n[camera]\n{camera}\n'
    )


def test_a_broken_model_is_told_and_the_one_that_ships_stands_in(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = start_mosquitto()
    (tmp_path / "mine.tflite").write_bytes(b"half a copy of a model")
    write_settings(tmp_path, broker.port, f'kind = "portrait"\npath = "{PORTRAIT}"', 'model = "mine.tflite"')
    events: queue.Queue[Event] = queue.Queue()
    reader = Connection(
        Mqtt(port=broker.port),
        client_id="reader",
        will=Message("gone", b""),
        subscriptions=["mien/hallway/health"],
        events=events,
    )
    with reader, subprocess.Popen(COMMAND, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as agent:
        while not isinstance(event := events.get(timeout=60), Received):
            pass
        wait_for(lambda: _rows(tmp_path) >= 2, 60)
        agent.send_signal(signal.SIGTERM)
        _, said = agent.communicate(timeout=30)
    assert agent.returncode == 0
    vision = decode_health(event.payload).vision
    assert vision is not None
    assert vision.model == Classifier().model_id
    assert vision.model_error == "mine.tflite has no model card: export the model again with `mien export`"
    assert f"{vision.model_error}; until then the model that ships stands in" in said


@pytest.mark.parametrize("silent", ["sleep 1000", "trap '' TERM; cat frame.yuv; sleep 1000"])
def test_told_to_stop_it_leaves_within_five_seconds_while_its_camera_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    (tmp_path / "frame.yuv").write_bytes(bytes(64 * 96))
    program = tmp_path / "rpicam-vid"
    program.write_text(f"#!/bin/sh\ncd {tmp_path}\ntouch started\n{silent}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    write_settings(tmp_path, free_port(), 'kind = "rpicam"\nwidth = 64\nheight = 64\nsettle_frames = 0')
    with subprocess.Popen(COMMAND, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as agent:
        wait_for(lambda: (tmp_path / "started").exists(), 60)
        told_s = time.monotonic()
        agent.send_signal(signal.SIGTERM)
        _, said = agent.communicate(timeout=30)
    assert time.monotonic() - told_s < 5
    assert agent.returncode == 0
    assert "Traceback" not in said


def _rows(folder: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{folder}/outbox.db?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT next_seq - 1 FROM counter").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
