"""Cameras by URL: MJPEG over HTTP, and messages that tell what is wrong without telling the password."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from mjpeg_camera import MjpegCamera, Stream
from simulated_time import SimulatedTime

from mien.edge.camera.camera_manager import CameraManager
from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.factory import check_camera, open_camera
from mien.edge.camera.frame import Frame
from mien.edge.camera.image_file import read_image
from mien.edge.camera.opencv_camera import QuietSource, read_frames
from mien.edge.camera.settings import NetworkCameraSettings, UsbCameraSettings
from mien.edge.settings import AgentSettings
from mien.errors import CameraError
from mien.settings.load import load_settings

PASSWORD = "s3cret@home#1"  # noqa: S105


def encode(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image)[1].tobytes()


PORTRAIT_IMAGE = read_image(PORTRAIT, color=True)
LARGE = encode(cv2.resize(PORTRAIT_IMAGE, (640, 480)))
SMALL = encode(cv2.resize(PORTRAIT_IMAGE, (320, 240)))


def settings(folder: Path, url: str, **values: float) -> NetworkCameraSettings:
    (folder / "url").write_text(f"{url}\n")
    options = {"start_timeout_s": 10.0, "warmup_frames": 0, "frames_per_second": 120.0} | values
    return NetworkCameraSettings(url_file=str(folder / "url"), **options)  # type: ignore[arg-type]


def read_until_it_fails(camera: NetworkCameraSettings) -> tuple[list[Frame], str]:
    """All frames, and the error at their end."""
    frames: list[Frame] = []
    with pytest.raises(CameraError) as caught, open_camera(camera) as arriving:
        frames.extend(arriving)
    return frames, str(caught.value)


@pytest.mark.parametrize("kind", ["network", "rtsp"])
def test_mjpeg_over_http_is_a_camera_by_either_name(tmp_path: Path, kind: str) -> None:
    with MjpegCamera({"/stream?size=1": Stream(cycle([LARGE]))}) as server:
        (tmp_path / "url").write_bytes(f"\ufeffHTTP://{server.address}/stream?size=1\r\n".encode())
        (tmp_path / "agent.toml").write_text(
            f"device = 'hallway'\n[camera]\nkind = '{kind}'\nurl_file = '{tmp_path}/url'\nwarmup_frames = 2\n"
        )
        camera = load_settings(tmp_path / "agent.toml", AgentSettings).camera
        check_camera(camera)
        with open_camera(camera) as frames:
            (frame,) = islice(frames, 1)
    assert frame.gray.shape == (480, 640)
    assert np.abs(frame.image.astype(int) - cv2.resize(PORTRAIT_IMAGE, (640, 480))).mean() < 8


def test_a_stream_that_changes_its_size_and_breaks_is_said_to_have_stopped(tmp_path: Path) -> None:
    with MjpegCamera({"/": Stream([LARGE] * 5 + [SMALL] * 5)}) as server:
        frames, error = read_until_it_fails(settings(tmp_path, f"http://{server.address}"))
    assert {frame.gray.shape for frame in frames} == {(480, 640)}  # the size that it began with
    assert error == (
        f"the camera in {tmp_path}/url stopped delivering frames after 10: check its power supply and the network"
    )


def test_a_stream_that_hangs_is_said_to_have_stopped(tmp_path: Path) -> None:
    with MjpegCamera({"/": Stream([SMALL] * 3, hangs=True)}) as server:
        frames, error = read_until_it_fails(settings(tmp_path, f"http://{server.address}/", start_timeout_s=1.0))
    assert frames
    assert "stopped delivering frames after" in error


def test_damaged_frames_are_left_out_without_a_line(tmp_path: Path) -> None:
    with MjpegCamera({"/": Stream([SMALL, SMALL[:300], b"no image", SMALL] * 4)}) as server:
        _, error = read_until_it_fails(settings(tmp_path, f"http://{server.address}/"))
    assert "stopped delivering frames after 8:" in error


def test_a_stream_that_breaks_is_opened_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    time = SimulatedTime()
    with MjpegCamera({"/": Stream([SMALL] * 3)}) as server:
        camera = settings(tmp_path, f"http://{server.address}/")
        with CameraManager(camera, timer=time.timer()) as manager:
            for opened in (1, 2, 3):
                with manager.frames() as frames:
                    assert any(frame is not None for frame in frames)
                    list(frames)  # ends when the stream does
                assert manager.state == "failing"
                assert server.connections == ["/"] * opened
                assert not manager.is_ready
                time.now_s += 5.0
    assert caplog.text.count("stopped delivering frames") == 3
    assert "delivers no frames" not in caplog.text


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/nowhere", "check the URL in that file (the camera responds 404 Not Found), the camera's password"),
        ("/locked", "check the URL in that file (the camera responds 401 Unauthorized), the camera's password"),
        ("/page", "check the URL in that file (it leads to text/html, not to a stream)"),
        ("/image", "delivered one image and no more: use the URL of its stream, not that of a single image"),
    ],
)
def test_what_is_no_stream_is_named(tmp_path: Path, path: str, message: str) -> None:
    streams = {
        "/locked": Stream(cycle([SMALL]), account="viewer:other"),
        "/page": Stream([b"<html>Log in</html>"], content_type="text/html"),
        "/image": Stream([SMALL], content_type="image/jpeg"),
    }
    with MjpegCamera(streams) as server:
        _, error = read_until_it_fails(settings(tmp_path, f"http://viewer:{PASSWORD[:6]}@{server.address}{path}"))
    assert message in error
    assert PASSWORD[:6] not in error


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_a_host_that_does_not_respond_is_named(tmp_path: Path, scheme: str) -> None:
    _, error = read_until_it_fails(settings(tmp_path, f"{scheme}://127.0.0.1:9/stream"))
    assert "delivers no frames: check the URL in that file (no response from 127.0.0.1:9, Connection refused)" in error


@pytest.mark.parametrize("password", ["s3cret@home", "s3cret%40home"])
def test_an_at_sign_in_the_password_works_raw_and_escaped(tmp_path: Path, password: str) -> None:
    with MjpegCamera({"/": Stream(cycle([SMALL]), account="viewer:s3cret@home")}) as server:
        camera = settings(tmp_path, f"http://viewer:{password}@{server.address}/")
        with open_camera(camera) as frames:
            assert next(frames).gray.shape == (240, 320)


@pytest.mark.parametrize(
    ("account", "message"),
    [
        ("viewer:s3cret@home", "if @ is in the password, write it as %40"),
        ("viewer:123/s3cret", "if / is in the password, write it as %2F"),
    ],
)
def test_what_may_belong_to_the_password_is_hinted_at(tmp_path: Path, account: str, message: str) -> None:
    _, error = read_until_it_fails(settings(tmp_path, f"http://{account}@127.0.0.1:9/stream"))
    assert error.endswith(message)
    assert "s3cret" not in error


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("rtsp://viewer:s3cret#1@camera/stream", "with # in its user or password: write it as %23"),
        ("rtsp://viewer:12#s3cret@camera/stream", "with # in its user or password: write it as %23"),
        ("http://viewer:s3cret/1@camera/stream", "with / in its user or password: write it as %2F"),
        ("http://viewer:s3cret?1@camera/stream", "with ? in its user or password: write it as %3F"),
        ("rtps://viewer:s3cret@camera/stream", "begins with rtps://: use one of rtsp://"),
        ("viewer:s3cret@camera/stream", "contains no URL: write one into it, such as rtsp://"),
        ("http://viewer:s3cret@camera:port/", "without a valid host or port: write http://HOST:PORT/PATH"),
        ("http:///s3cret", "without a valid host or port"),
        ("http://camera/s3cret\nhttp://other/", "has 2 lines: leave only the one that is meant"),
        ("", "is empty: write one line into it"),
    ],
)
def test_a_url_that_cannot_work_is_refused_before_the_first_motion(tmp_path: Path, url: str, message: str) -> None:
    camera = settings(tmp_path, url)
    with pytest.raises(CameraError) as caught:
        check_camera(camera)
    assert str(caught.value).startswith(f"camera.url_file {tmp_path}/url ")
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://camera/snap?user=me@example.org", "rtsp://[fe80::1]:8554/s", "rtsps://me:a:b@camera:322/s?x=1#2"]
)
def test_a_url_that_may_work_is_accepted(tmp_path: Path, url: str) -> None:
    check_camera(settings(tmp_path, url))


SILENT_PROGRAM = """
import sys
from mien.edge.camera.factory import open_camera
from mien.edge.camera.settings import NetworkCameraSettings
from mien.errors import CameraError

for file in sys.argv[1:]:
    try:
        with open_camera(NetworkCameraSettings(url_file=file, start_timeout_s=1.0)) as frames:
            list(frames)
    except CameraError as error:
        print(error)
"""


def test_opencv_and_ffmpeg_write_nothing_of_their_own(tmp_path: Path) -> None:
    """In a process of its own: FFmpeg's level is set once, when it is first used."""
    streams = {"/": Stream([LARGE, SMALL, SMALL[:300], b"no image"] * 3), "/hangs": Stream([SMALL] * 3, hangs=True)}
    with MjpegCamera(streams) as server:
        files = []
        for name in ("", "hangs", "nowhere"):
            files.append(tmp_path / f"url-{name}")
            files[-1].write_text(f"http://{server.address}/{name}")
        command = [sys.executable, "-c", SILENT_PROGRAM, *map(str, files)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert result.stderr == ""
    assert len(result.stdout.splitlines()) == 3


class Webcam:
    """A webcam whose cable is bad: each other frame is cut off, and libjpeg complains of it."""

    def __init__(self, frames: int) -> None:
        self._frames = cycle([SMALL, SMALL[: len(SMALL) // 2] + b"\xff\xd9"])
        self._left = frames

    def grab(self) -> bool:
        self._left -= 1
        return self._left >= 0

    def retrieve(self) -> tuple[bool, np.ndarray]:
        image = cv2.imdecode(np.frombuffer(next(self._frames), np.uint8), cv2.IMREAD_COLOR)
        return image is not None, np.zeros(0) if image is None else image


def test_damaged_frames_of_a_webcam_do_not_fill_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    alone = Webcam(2)
    assert alone.retrieve()[0]
    alone.retrieve()
    assert "Corrupt JPEG data" in capfd.readouterr().err  # what OpenCV writes by itself
    frames: Iterator[Frame] = read_frames(QuietSource(Webcam(20)), UsbCameraSettings(frames_per_second=120), str)
    assert next(frames).gray.shape == (240, 320)
    with pytest.raises(CameraError):
        list(frames)
    assert capfd.readouterr() == ("", "")
