"""The agent on its shipped fakes: a scripted pin and a drifting portrait, with the real detector and model."""

import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import msgspec
import pytest
from waiting import wait_for

import mien.broker
from mien.classifier import Classifier
from mien.edge.agent import Agent
from mien.edge.clock import Clock
from mien.edge.detector import open_detector
from mien.edge.eye import Eye
from mien.edge.motion import open_motion
from mien.edge.outbox import Outbox
from mien.edge.rhythm import Rhythm
from mien.edge.settings import AgentSettings, Camera, Motion, Reporting
from mien.edge.vision import Vision
from mien.errors import CameraError
from mien.motion import MotionState
from mien.observation import Observation, decode_observation

PORTRAIT = Path(next(iter(mien.broker.__path__))) / "portrait.jpg"

SETTINGS = AgentSettings(
    device="hallway",
    motion=Motion(script=[(0.0, 1.5)], repeat_s=3.0, hold_s=0.2),
    camera=Camera(kind="portrait", path=str(PORTRAIT), frames_per_second=20),
    reporting=Reporting(interval_s=0.5),
)


def run_until(
    settings: AgentSettings,
    folder: Path,
    enough: Callable[[list[Observation]], bool],
    told: list[MotionState] | None = None,
) -> list[Observation]:
    """Run an agent until its outbox holds enough, or until it ends by itself; `told` gets what it says of motion."""
    told = [] if told is None else told
    stopping = threading.Event()
    failure: list[BaseException] = []
    rhythm, clock = Rhythm(settings.motion), Clock("trusted")
    with (
        Outbox(folder / "outbox.db", device="hallway") as outbox,
        Eye(settings.camera) as eye,
        open_motion(settings.motion, eye) as motion,
    ):
        agent = Agent(
            settings,
            motion=motion,
            eye=eye,
            vision=Vision(settings.faces, detector=open_detector(settings.faces), classifier=Classifier()),
            outbox=outbox,
            clock=clock,
            rhythm=rhythm,
            tell_motion=told.append,
        )

        def run() -> None:
            try:
                agent.run(stopping)
            except CameraError as error:
                failure.append(error)

        def seen() -> list[Observation]:
            return [decode_observation(payload) for _, payload in outbox.ready(1000)]

        thread = threading.Thread(target=run)
        thread.start()
        try:
            wait_for(lambda: not thread.is_alive() or enough(seen()), 60)
        finally:
            stopping.set()
            thread.join()
        if failure:
            raise failure[0]
        return seen()


def test_motion_becomes_observations_and_stillness_none(tmp_path: Path) -> None:
    told: list[MotionState] = []
    observations = run_until(SETTINGS, tmp_path, lambda seen: len({one.capture for one in seen}) >= 2, told)
    assert [one.state for one in told][:4] == ["off", "on", "off", "on"]
    assert {one.device for one in observations} == {"hallway"}
    assert [one.seq for one in observations] == list(range(1, len(observations) + 1))
    first = [one for one in observations if one.capture == observations[0].capture]
    # 1.5 s of movement and 0.2 s of hold at one observation each half second, not the 3 s to the next movement
    assert 2 <= len(first) <= 5
    assert {one.track for one in first} == {1}
    assert {one.clock for one in first} == {"synced"}
    assert all(one.frames >= 3 for one in first)


def test_a_camera_that_dies_ends_a_capture_and_not_the_agent(
    tmp_path: Path, rpicam_vid: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The camera shows the portrait; while the file `gone` is there, it ends at once."""
    camera = Camera(kind="rpicam", width=320, height=240, frames_per_second=20)
    settings = msgspec.structs.replace(SETTINGS, camera=camera, motion=Motion(kind="always"))
    gone = tmp_path / "gone"

    def enough(seen: list[Observation]) -> bool:
        if seen and not gone.exists() and not caplog.records:
            gone.touch()
        elif "opened again" in caplog.text:
            gone.unlink(missing_ok=True)
        return len({one.capture for one in seen}) >= 2

    first, *_, last = run_until(settings, tmp_path, enough)
    assert first.capture != last.capture
    assert "rpicam-vid gives no frame (the cable is loose)" in caplog.text


@pytest.fixture
def rpicam_vid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    gray = cv2.resize(cv2.imread(str(PORTRAIT), cv2.IMREAD_GRAYSCALE), (320, 240))
    (tmp_path / "frame.yuv").write_bytes(gray.tobytes() + bytes([128]) * (320 * 120))
    program = tmp_path / "rpicam-vid"
    program.write_text(
        "#!/bin/sh\n"
        f"cd {tmp_path}\n"
        "while ! [ -e gone ]; do cat frame.yuv; sleep 0.05; done\n"
        "echo the cable is loose >&2; exit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return program


def test_a_file_in_the_camera_s_place_ends_the_run(tmp_path: Path) -> None:
    camera = Camera(kind="file", path=str(PORTRAIT), picture_s=1.6, frames_per_second=20)
    settings = msgspec.structs.replace(SETTINGS, camera=camera, motion=Motion(script=[(0.0, 1e9)]))
    observations = run_until(settings, tmp_path, lambda seen: False)
    assert len(observations) >= 2
    assert 20 <= sum(one.frames for one in observations) <= 32  # none is left out, and none is new


def test_a_camera_without_frames_is_an_error(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(SETTINGS, camera=Camera(kind="file", path="/proc/version"))
    with pytest.raises(CameraError, match="is not a video or picture"):
        run_until(settings, tmp_path, lambda seen: False)


def test_an_unsynchronised_clock_is_admitted(tmp_path: Path) -> None:
    synchronised = tmp_path / "synchronized"
    clock = Clock("ntp", synchronised=synchronised)
    assert clock.state == "unsynced"
    synchronised.touch()
    assert clock.state == "synced"
    assert clock.moment().at.microsecond % 1000 == 0
