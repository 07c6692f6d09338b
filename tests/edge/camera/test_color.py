"""Frames have color where the camera has it, for the detectors; what is cropped and classified is gray."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from fake_program import install_program
from numpy.typing import NDArray

from mien.edge.camera.factory import open_camera
from mien.edge.camera.frame import Frame
from mien.edge.camera.settings import CameraSettings, DemoCameraSettings, FileCameraSettings, RpicamSettings

RED = (0, 0, 255)


def first_frame(camera: CameraSettings) -> Frame:
    with open_camera(camera) as frames:
        return next(frames)


def test_a_frame_without_color_is_detected_in_gray() -> None:
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert Frame.of(gray, 0.0).image is gray
    assert Frame(gray, 0.0).image is gray


def test_a_frame_of_a_color_image_has_both() -> None:
    image = np.full((3, 4, 3), RED, np.uint8)
    frame = Frame.of(image, 0.0)
    assert frame.image is image
    assert set(np.unique(frame.gray)) == {76}


def test_color_is_made_only_when_it_is_asked_for() -> None:
    calls = 0
    image = np.zeros((3, 4, 3), np.uint8)

    def make_color() -> NDArray[np.uint8]:
        nonlocal calls
        calls += 1
        return image

    frame = Frame(np.zeros((3, 4), np.uint8), 0.0, make_color)
    assert calls == 0
    assert frame.image is image
    assert calls == 1


def test_color_is_rotated_mirrored_and_masked_as_gray_is(tmp_path: Path) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:10, :20] = RED
    cv2.imwrite(str(tmp_path / "corner.png"), image)
    path = str(tmp_path / "corner.png")
    assert first_frame(FileCameraSettings(path=path)).image[0, 0].tolist() == list(RED)
    rotated = first_frame(FileCameraSettings(path=path, rotate=90)).image
    assert rotated.shape == (60, 40, 3)
    assert rotated[0, -1].tolist() == list(RED)
    assert first_frame(FileCameraSettings(path=path, flip="horizontal")).image[0, -1].tolist() == list(RED)
    masked = first_frame(FileCameraSettings(path=path, mask=[(0.0, 0.0, 0.5, 0.5)]))
    assert set(np.unique(masked.image[:20, :30])) == {128}
    assert set(np.unique(masked.gray[:20, :30])) == {128}


def test_the_demo_camera_has_color() -> None:
    frame = first_frame(DemoCameraSettings())
    assert frame.image.shape == (480, 640, 3)
    assert np.ptp(frame.image.astype(int), axis=2).max() > 50


@pytest.mark.parametrize("height", [96, 97])
def test_rpicam_makes_color_of_all_planes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, height: int) -> None:
    red_in_yuv = (76, 85, 255)
    source = (
        f"#!{sys.executable}\n"
        "import sys\n"
        "option = lambda name: int(sys.argv[sys.argv.index('--' + name) + 1])\n"
        "luma = option('width') * option('height')\n"
        f"y, u, v = {red_in_yuv}\n"
        "chroma = luma // 2\n"
        "frame = bytes([y]) * luma + bytes([u]) * (chroma // 2) + bytes([v]) * (chroma - chroma // 2)\n"
        "while True:\n"
        "    sys.stdout.buffer.write(frame)\n"
    )
    install_program(tmp_path, monkeypatch, "rpicam-vid", source)
    frame = first_frame(RpicamSettings(width=128, height=height, warmup_frames=0))
    assert frame.gray.shape == (height, 128)
    if height % 2:
        assert frame.image is frame.gray
    else:
        assert frame.image.shape == (height, 128, 3)
        assert frame.image[50, 50].astype(int) == pytest.approx(RED, abs=15)
