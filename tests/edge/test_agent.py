"""The agent on a simulated sensor and the demo camera, with the real detector and model."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from polling import wait_for

from mien.edge.agent import Agent
from mien.edge.camera.camera_manager import CameraManager
from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.image_file import read_image
from mien.edge.camera.settings import DemoCameraSettings, FileCameraSettings, RpicamSettings
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.motion.factory import open_motion_sensor
from mien.edge.motion.sensor_health import MotionSensorMonitor
from mien.edge.motion.settings import AlwaysOnSettings, SimulatedMotionSettings
from mien.edge.settings import AgentSettings, ReportingSettings
from mien.edge.timer import REAL_TIME, Timer
from mien.edge.vision.factory import open_detector
from mien.edge.vision.pipeline import VisionPipeline
from mien.errors import CameraError
from mien.messages.motion import MotionState
from mien.messages.observation import Observation, decode_observation
from mien.model.classifier import Classifier

SETTINGS = AgentSettings(
    device="hallway",
    motion=SimulatedMotionSettings(intervals_s=[(0.0, 0.75)], period_s=1.5, hold_s=0.1),
    camera=DemoCameraSettings(frames_per_second=40),
    reporting=ReportingSettings(interval_s=0.25),
)
TEN_TIMES_AS_FAST = Timer(now_s=lambda: 10 * time.monotonic())


def run_agent(
    settings: AgentSettings,
    folder: Path,
    is_enough: Callable[[list[Observation]], bool],
    motion_states: list[MotionState] | None = None,
    camera_timer: Timer = REAL_TIME,
) -> list[Observation]:
    """Run an agent until its outbox holds enough, or until it ends by itself, and record its motion states."""
    motion_states = [] if motion_states is None else motion_states
    stopping = threading.Event()
    errors: list[CameraError] = []
    recorded: list[tuple[str, float]] = []
    sensor_monitor, clock = MotionSensorMonitor(settings.motion), Clock("trusted")
    with (
        Outbox(folder / "outbox.db", device="hallway") as outbox,
        CameraManager(settings.camera, timer=camera_timer) as camera_manager,
        open_motion_sensor(settings.motion, camera_manager) as motion,
    ):
        agent = Agent(
            settings,
            motion=motion,
            camera_manager=camera_manager,
            vision=VisionPipeline(settings.faces, detector=open_detector(settings.faces), classifier=Classifier()),
            outbox=outbox,
            clock=clock,
            sensor_monitor=sensor_monitor,
            publish_motion=motion_states.append,
            record_prediction=lambda emotion, confidence: recorded.append((emotion, confidence)),
        )

        def run() -> None:
            try:
                agent.run(stopping)
            except CameraError as error:
                errors.append(error)

        def read_observations() -> list[Observation]:
            return [decode_observation(payload) for _, payload in outbox.read_publishable(1000)]

        thread = threading.Thread(target=run)
        thread.start()
        try:
            wait_for(lambda: not thread.is_alive() or is_enough(read_observations()), 60)
        finally:
            stopping.set()
            thread.join()
        if errors:
            raise errors[0]
        observations = read_observations()
        assert recorded == [(observation.emotion, observation.confidence) for observation in observations]
        return observations


def test_observations_are_made_only_while_there_is_motion(tmp_path: Path) -> None:
    motion_states: list[MotionState] = []

    def has_two_captures(observations: list[Observation]) -> bool:
        return len({observation.capture for observation in observations}) >= 2

    observations = run_agent(SETTINGS, tmp_path, has_two_captures, motion_states)
    assert [state.state for state in motion_states][:4] == ["off", "on", "off", "on"]
    assert {observation.device for observation in observations} == {"hallway"}
    assert [observation.seq for observation in observations] == list(range(1, len(observations) + 1))
    first_capture = [observation for observation in observations if observation.capture == observations[0].capture]
    # 0.75 s of motion and 0.1 s of hold at one observation each quarter second, not the 1.5 s until the next motion
    assert 2 <= len(first_capture) <= 5
    assert {observation.track for observation in first_capture} == {1}
    assert {observation.clock for observation in first_capture} == {"synced"}
    assert all(observation.frames >= 3 for observation in first_capture)


def test_a_failing_camera_ends_a_capture_but_not_the_agent(
    tmp_path: Path, rpicam_vid: Path, caplog: pytest.LogCaptureFixture
) -> None:
    camera = RpicamSettings(width=320, height=240, frames_per_second=20, warmup_frames=3)
    settings = msgspec.structs.replace(SETTINGS, camera=camera, motion=AlwaysOnSettings())
    unplugged = tmp_path / "unplugged"

    def is_enough(observations: list[Observation]) -> bool:
        if observations and not unplugged.exists() and not caplog.records:
            unplugged.touch()
        elif "reopening the camera" in caplog.text:
            unplugged.unlink(missing_ok=True)
        return len({observation.capture for observation in observations}) >= 2

    first, *_, last = run_agent(settings, tmp_path, is_enough, camera_timer=TEN_TIMES_AS_FAST)
    assert first.capture != last.capture
    assert "rpicam-vid stopped delivering frames (the cable is loose)" in caplog.text


def test_a_poster_in_front_of_a_live_camera_gives_no_row(tmp_path: Path, rpicam_vid: Path) -> None:
    (tmp_path / "frame1.yuv").write_bytes((tmp_path / "frame0.yuv").read_bytes())  # nothing moves
    camera = RpicamSettings(width=320, height=240, frames_per_second=20, warmup_frames=3)
    motion = SimulatedMotionSettings(intervals_s=[(0.0, 2.0)], period_s=60.0, hold_s=0.1)
    motion_states: list[MotionState] = []
    settings = msgspec.structs.replace(SETTINGS, camera=camera, motion=motion)
    assert run_agent(settings, tmp_path, lambda observations: len(motion_states) >= 3, motion_states) == []
    every_face = ReportingSettings(interval_s=0.25, still_face_s=0)
    settings = msgspec.structs.replace(settings, reporting=every_face)
    assert run_agent(settings, tmp_path, lambda observations: len(observations) >= 2)


@pytest.fixture
def rpicam_vid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A camera that shows the portrait, which moves up and down, and exits while the file `unplugged` exists."""
    gray = cv2.resize(read_image(PORTRAIT), (320, 240))
    for number in range(2):
        moved = np.roll(gray, 6 * number, axis=0)
        (tmp_path / f"frame{number}.yuv").write_bytes(moved.tobytes() + bytes([128]) * (320 * 120))
    program = tmp_path / "rpicam-vid"
    program.write_text(
        "#!/bin/sh\n"
        f"cd {tmp_path}\n"
        "while ! [ -e unplugged ]; do for frame in frame0 frame0 frame1 frame1; do\n"
        "cat $frame.yuv; sleep 0.05; done; done\n"
        "echo the cable is loose >&2; exit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return program


def test_the_agent_ends_with_the_file_that_replaces_the_camera(tmp_path: Path) -> None:
    camera = FileCameraSettings(path=str(PORTRAIT), still_duration_s=0.8, frames_per_second=40)
    settings = msgspec.structs.replace(
        SETTINGS, camera=camera, motion=SimulatedMotionSettings(intervals_s=[(0.0, 1e9)])
    )
    observations = run_agent(settings, tmp_path, lambda observations: False)
    assert len(observations) >= 2
    # almost all of the 32 frames, and none twice
    assert 20 <= sum(observation.frames for observation in observations) <= 32


def test_a_camera_without_frames_is_an_error(tmp_path: Path) -> None:
    camera = FileCameraSettings(path="/proc/version", frames_per_second=40)
    settings = msgspec.structs.replace(SETTINGS, camera=camera)
    with pytest.raises(CameraError, match="is neither an image nor a video"):
        run_agent(settings, tmp_path, lambda observations: False)
