"""Frames are rotated, mirrored and masked as the settings say."""

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


def test_frames_are_rotated_and_mirrored(image_file: Path) -> None:
    assert first_image(image_file)[0, 0] == 255
    assert first_image(image_file, rotation=180)[-1, -1] == 255
    rotated = first_image(image_file, rotation=90)
    assert rotated.shape == (60, 40)
    assert rotated[0, -1] == 255
    assert first_image(image_file, rotation=270)[-1, 0] == 255
    assert first_image(image_file, mirror=True)[0, -1] == 255
    assert first_image(image_file, rotation=90, mirror=True)[0, 0] == 255


def test_masked_areas_are_uniform(image_file: Path) -> None:
    masked = first_image(image_file, mask=[(0.0, 0.0, 0.5, 0.5)])
    assert set(np.unique(masked[:20, :30])) == {128}
    assert set(np.unique(masked[20:, 30:])) == {0}
