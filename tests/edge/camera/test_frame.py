"""Frames are rotated, flipped and masked as the settings say."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mien.edge.camera.factory import open_camera
from mien.edge.camera.settings import FileCameraSettings


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    """A dark image with a white corner at the top left."""
    gray = np.zeros((40, 60), np.uint8)
    gray[:10, :20] = 255
    cv2.imwrite(str(tmp_path / "corner.png"), gray)
    return tmp_path / "corner.png"


def first_image(image_file: Path, **settings: object) -> NDArray[np.uint8]:
    camera = FileCameraSettings(path=str(image_file), **settings)  # type: ignore[arg-type]
    with open_camera(camera) as frames:
        return next(frames).gray


def test_frames_are_rotated_and_then_flipped(image_file: Path) -> None:
    assert first_image(image_file)[0, 0] == 255
    assert first_image(image_file, rotate=180)[-1, -1] == 255
    rotated = first_image(image_file, rotate=90)
    assert rotated.shape == (60, 40)
    assert rotated[0, -1] == 255
    assert first_image(image_file, rotate=270)[-1, 0] == 255
    assert first_image(image_file, flip="horizontal")[0, -1] == 255
    assert first_image(image_file, rotate=90, flip="horizontal")[0, 0] == 255
    assert first_image(image_file, flip="vertical")[-1, 0] == 255
    assert first_image(image_file, rotate=90, flip="vertical")[-1, -1] == 255


def test_the_mask_is_of_the_image_as_it_is_after_rotating_and_flipping(image_file: Path) -> None:
    upper_half = [(0.0, 0.0, 1.0, 0.5)]
    for settings in ({"rotate": 90}, {"rotate": 270}, {"flip": "vertical"}, {"rotate": 90, "flip": "horizontal"}):
        masked = first_image(image_file, mask=upper_half, **settings)
        height = masked.shape[0]
        assert set(np.unique(masked[: height // 2])) == {128}
        assert 128 not in masked[height // 2 :]


def test_masked_areas_are_uniform(image_file: Path) -> None:
    masked = first_image(image_file, mask=[(0.0, 0.0, 0.5, 0.5)])
    assert set(np.unique(masked[:20, :30])) == {128}
    assert set(np.unique(masked[20:, 30:])) == {0}
