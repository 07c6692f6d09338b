"""Every kind of camera that can be tested without hardware, opened as the agent opens it."""

import sys
import time
from itertools import islice
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from fake_program import install_program
from mjpeg_camera import MjpegCamera, Stream
from simulated_time import SimulatedTime

from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.factory import check_camera, open_camera
from mien.edge.camera.frame import Frame
from mien.edge.camera.settings import (
    CameraSettings,
    DemoCameraSettings,
    FileCameraSettings,
    NetworkCameraSettings,
    RpicamSettings,
    UsbCameraSettings,
)
from mien.errors import CameraError


def read_frames(
    camera: CameraSettings, count: int | None = None, simulated_time: SimulatedTime | None = None
) -> list[Frame]:
    """The first frames, or all; those of files and of the demo camera arrive in simulated time."""
    with open_camera(camera, (simulated_time or SimulatedTime()).timer()) as frames:
        return list(islice(frames, count))


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Two seconds at 20 frames a second, each frame brighter than the one before."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20.0, (64, 48))
    for number in range(40):
        writer.write(np.full((48, 64, 3), number * 6, np.uint8))
    writer.release()
    return path


def test_a_video_plays_at_its_own_speed_and_then_ends(video: Path) -> None:
    simulated_time = SimulatedTime()
    frames = read_frames(FileCameraSettings(path=str(video), frames_per_second=10), None, simulated_time)
    assert len(frames) == 20
    assert 1.8 < simulated_time.now_s < 2.1
    assert [frame.arrived_s for frame in frames] == pytest.approx([number / 10 for number in range(20)])
    brightness = [float(frame.gray.mean()) for frame in frames]
    assert brightness == sorted(brightness)
    assert frames[0].gray.shape == (48, 64)


def test_a_video_can_loop(video: Path) -> None:
    frames = read_frames(FileCameraSettings(path=str(video), frames_per_second=100, loop=True), 50)
    assert len(frames) == 50


def test_an_image_is_shown_for_the_configured_duration(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((40, 50), np.uint8))
    camera = FileCameraSettings(path=str(tmp_path / "one.png"), still_duration_s=0.3, frames_per_second=20)
    assert len(read_frames(camera)) == 6


def test_the_files_of_a_folder_are_shown_sorted_by_name(tmp_path: Path, video: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((48, 64), 200, np.uint8))
    cv2.imwrite(str(tmp_path / "d.png"), np.full((48, 64), 100, np.uint8))
    (tmp_path / "notes.txt").write_text("not an image")
    frames = read_frames(FileCameraSettings(path=str(tmp_path), still_duration_s=0.1, frames_per_second=20))
    assert [frame.gray.mean() for frame in frames[:2]] == [200, 200]
    assert [frame.gray.mean() for frame in frames[-2:]] == [100, 100]
    assert len(frames) == 44


def test_the_demo_camera_never_ends_and_its_image_moves() -> None:
    frames = read_frames(DemoCameraSettings(frames_per_second=50), 20)
    assert frames[0].gray.shape == (480, 640)
    assert not np.array_equal(frames[0].gray, frames[-1].gray)


def test_the_demo_camera_shows_the_portrait_or_a_named_image(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "white.png"), np.full((100, 100), 255, np.uint8))
    (portrait,) = read_frames(DemoCameraSettings(), 1)
    (portrait_by_path,) = read_frames(DemoCameraSettings(path=str(PORTRAIT)), 1)
    (white,) = read_frames(DemoCameraSettings(path=str(tmp_path / "white.png")), 1)
    assert np.array_equal(portrait.gray, portrait_by_path.gray)
    assert np.count_nonzero(white.gray == 255) == 100 * 100


@pytest.mark.parametrize(
    ("camera", "message"),
    [
        (FileCameraSettings(path="/nowhere.mp4"), "/nowhere.mp4 does not exist"),
        (FileCameraSettings(path="/proc/version"), "is neither an image nor a video"),
        (DemoCameraSettings(path="/proc/version"), "is not an image that OpenCV can read"),
        (UsbCameraSettings(index=77), "USB camera 77 delivers no frames"),
        (NetworkCameraSettings(url_file="/nowhere"), "camera.url_file /nowhere cannot be read"),
    ],
)
def test_a_camera_without_frames_is_an_error_with_a_hint(camera: CameraSettings, message: str) -> None:
    with pytest.raises(CameraError, match=message):
        read_frames(camera, 1)


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match="contains no images or videos"):
        read_frames(FileCameraSettings(path=str(tmp_path)), 1)


@pytest.fixture
def rpicam_vid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A replacement for rpicam-vid, with raw output as its manual describes it: whole YUV 4:2:0 frames on stdout."""
    source = (
        f"#!{sys.executable}\n"
        "import sys\n"
        "option = lambda name: sys.argv[sys.argv.index('--' + name) + 1]\n"
        "assert option('codec') == 'yuv420' and option('output') == '-', sys.argv\n"
        "luma = int(option('width')) * int(option('height'))\n"
        "for number in range(100):\n"
        "    sys.stdout.buffer.write(bytes([number]) * luma + bytes([128]) * (luma // 2))\n"
        "sys.exit('ERROR: *** no cameras available ***')\n"
    )
    return install_program(tmp_path, monkeypatch, "rpicam-vid", source)


def test_rpicam_delivers_the_y_plane_after_the_warmup_frames(rpicam_vid: Path) -> None:
    frames = read_frames(RpicamSettings(width=128, height=96, warmup_frames=15), 5)
    assert [frame.gray.mean() for frame in frames] == [15, 16, 17, 18, 19]
    assert frames[0].gray.shape == (96, 128)


def test_every_kind_of_camera_can_be_rotated_and_flipped(rpicam_vid: Path, tmp_path: Path) -> None:
    corner = np.zeros((96, 128), np.uint8)
    corner[:48, :64] = 255
    cv2.imwrite(str(tmp_path / "corner.png"), corner)
    jpeg = cv2.imencode(".jpg", corner)[1].tobytes()
    with MjpegCamera({"/": Stream([jpeg] * 200)}) as server:
        (tmp_path / "url").write_text(f"http://{server.address}/\n")
        cameras: list[CameraSettings] = [
            RpicamSettings(width=128, height=96, warmup_frames=0),
            NetworkCameraSettings(url_file=str(tmp_path / "url"), warmup_frames=0, frames_per_second=120),
            FileCameraSettings(path=str(tmp_path / "corner.png")),
            DemoCameraSettings(width=128, height=96),
        ]
        for camera in cameras:
            (straight,) = read_frames(camera, 1)
            (frame,) = read_frames(msgspec.structs.replace(camera, rotate=90, flip="horizontal"), 1)
            assert (straight.gray.shape, frame.gray.shape) == ((96, 128), (128, 96))
            # a clockwise quarter turn and then a mirror is the transposed image
            assert np.abs(frame.gray.astype(int) - straight.gray.T.astype(int)).max() <= 1
            assert frame.image.shape[:2] == (128, 96)


def test_an_rpicam_that_exits_reports_the_reason(rpicam_vid: Path) -> None:
    with pytest.raises(CameraError, match=r"stopped delivering frames \(ERROR: \*\*\* no cameras available"):
        read_frames(RpicamSettings(width=128, height=96), 200)


def test_a_hanging_rpicam_fails_in_time(rpicam_vid: Path) -> None:
    rpicam_vid.write_text("#!/bin/sh\nexec sleep 60\n")
    start_s = time.monotonic()
    with pytest.raises(CameraError, match=r"delivers no frames \(no data for 0.3 s\)"):
        read_frames(RpicamSettings(width=128, height=96, start_timeout_s=0.3), 1)
    assert time.monotonic() - start_s < 10


def test_a_camera_that_cannot_work_is_reported_before_the_first_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CameraError, match="rpicam-vid is not installed: apt install rpicam-apps-lite"):
        check_camera(RpicamSettings())
    with pytest.raises(CameraError, match=r"/nowhere.mp4 does not exist"):
        check_camera(FileCameraSettings(path="/nowhere.mp4"))
    with pytest.raises(CameraError, match=r"/nowhere.jpg does not exist: set camera.path to an image, or remove it"):
        check_camera(DemoCameraSettings(path="/nowhere.jpg"))
    check_camera(DemoCameraSettings())
    with pytest.raises(CameraError, match=r"there is no USB camera 77: plug it in"):
        check_camera(UsbCameraSettings(index=77))
    check_camera(FileCameraSettings(path="/"))


def test_a_network_camera_is_opened_by_the_url_in_its_file(tmp_path: Path) -> None:
    image = cv2.imencode(".jpg", np.zeros((48, 64), np.uint8))[1].tobytes()
    camera = NetworkCameraSettings(url_file=str(tmp_path / "url"), warmup_frames=0, frames_per_second=120)
    with MjpegCamera({"/stream": Stream([image] * 20)}) as server:
        (tmp_path / "url").write_text(f"http://{server.address}/stream\n")
        assert read_frames(camera, 1)[0].gray.shape == (48, 64)
    (tmp_path / "url").write_text("rtsp://viewer:secret@127.0.0.1:9/stream\n")
    with pytest.raises(CameraError, match="delivers no frames: check the URL in that file") as error:
        read_frames(msgspec.structs.replace(camera, start_timeout_s=1.0), 1)
    assert "secret" not in str(error.value)
