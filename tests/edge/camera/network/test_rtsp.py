"""A camera of a real RTSP server, Debian's GStreamer, that fails as cameras in the field do."""

import logging
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Literal

import pytest
from simulated_time import SimulatedTime

from mien.edge.camera.camera_manager import CameraManager
from mien.edge.camera.frame import Frame
from mien.edge.camera.settings import NetworkCameraSettings

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).with_name("rtsp_server.py")
PASSWORD = "s3cret-5"  # noqa: S105
TICKS = 80
"""Quarters of a second in which a frame, or the end of the stream, is waited for."""

pytestmark = pytest.mark.service


class RtspServer:
    """The running server."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        assert process.stdout is not None
        self.port = process.stdout.readline().strip()

    def send(self, line: str) -> None:
        """Have it do something; see rtsp_server.py."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()


@contextmanager
def rtsp_server(account: str = "") -> Iterator[RtspServer]:
    check = 'import gi; gi.require_version("GstRtspServer", "1.0")'
    if subprocess.run([SYSTEM_PYTHON, "-c", check], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("GStreamer's RTSP server is not installed: make system")
    command = [SYSTEM_PYTHON, str(SERVER), account]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield RtspServer(process)
        finally:
            process.kill()


@contextmanager
def camera(
    folder: Path, server: RtspServer, *, account: str = "", transport: Literal["tcp", "udp"] = "tcp"
) -> Iterator[tuple[CameraManager, SimulatedTime]]:
    """The camera, and the time by which it is opened again."""
    (folder / "url").write_text(f"rtsp://{account}{'@' if account else ''}127.0.0.1:{server.port}/live\n")
    settings = NetworkCameraSettings(
        url_file=str(folder / "url"), rtsp_transport=transport, start_timeout_s=3.0, warmup_frames=0
    )
    time = SimulatedTime()
    with CameraManager(settings, timer=time.timer()) as manager:
        yield manager, time


def first_frame(frames: Iterator[Frame | None]) -> Frame:
    return next(frame for frame in islice(frames, TICKS) if frame is not None)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_connection_that_breaks_is_named_and_opened_again(tmp_path: Path, transport: Literal["tcp", "udp"]) -> None:
    with rtsp_server() as server, camera(tmp_path, server, transport=transport) as (manager, time):
        with manager.frames() as frames:
            assert first_frame(frames).gray.shape == (240, 320)
            assert (manager.state, manager.fault) == ("on", None)
            server.send("drop")
            list(frames)  # ends
        assert (manager.state, manager.fault, manager.fault_counts) == ("failing", "stopped", {"stopped": 1})
        assert "stopped delivering frames after" in manager.error
        assert not manager.is_ready  # there is no busy loop
        time.sleep(5.0)
        assert manager.is_ready
        with manager.frames() as frames:
            assert first_frame(frames).gray.shape == (240, 320)
            assert (manager.state, manager.fault, manager.error) == ("on", "stopped", "")
        time.sleep(120.0)
        assert (manager.fault, manager.fault_counts) == (None, {"stopped": 1})


def test_a_stream_that_stalls_is_named_and_opened_again(tmp_path: Path) -> None:
    with rtsp_server() as server, camera(tmp_path, server) as (manager, time):
        with manager.frames() as frames:
            first_frame(frames)
            server.send("stop")
            list(frames)
        assert (manager.state, manager.fault) == ("failing", "stopped")
        server.send("start")
        time.sleep(5.0)
        with manager.frames() as frames:
            first_frame(frames)
        assert manager.fault_counts == {"stopped": 1}


def test_a_wrong_password_is_named_and_never_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with rtsp_server(f"viewer:{PASSWORD}") as server:
        with camera(tmp_path, server, account=f"viewer:{PASSWORD}") as (manager, _), manager.frames() as frames:
            first_frame(frames)
            assert manager.fault is None
        with camera(tmp_path, server, account=f"viewer:{PASSWORD}-old") as (manager, time):
            for failures in (1, 2):
                with manager.frames() as frames:
                    assert not [frame for frame in frames if frame is not None]
                assert (manager.fault, manager.failures) == ("refused", failures)
                assert "(the camera responds 401 Unauthorized)" in manager.error
                assert not manager.is_ready
                time.sleep(5.0)
    shown = capfd.readouterr()
    assert PASSWORD not in caplog.text + shown.out + shown.err + manager.error


def test_a_stream_that_changes_its_size_goes_on_with_the_first_one(tmp_path: Path) -> None:
    with rtsp_server() as server, camera(tmp_path, server) as (manager, _), manager.frames() as frames:
        first_frame(frames)
        server.send("resize 640 480")
        arrived = [frame for frame in islice(frames, 20) if frame is not None]
        assert {frame.gray.shape for frame in arrived} == {(240, 320)}  # OpenCV scales it, and does not say so
        assert manager.state == "on"
