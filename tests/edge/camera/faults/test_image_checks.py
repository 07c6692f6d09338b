"""Images that show nothing are told from images of dark, green and gray things."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.faults.exposure import ExposureMonitor
from mien.edge.camera.faults.image_checks import has_color, is_black, is_green
from mien.edge.camera.faults.repetition import RepetitionDetector
from mien.edge.camera.image_file import read_image
from mien.media.image_bytes import decode_image

Image = NDArray[np.uint8]
PORTRAIT_IMAGE = cv2.resize(read_image(PORTRAIT, color=True), (320, 240)).astype(np.uint8)
GRAY = cv2.cvtColor(PORTRAIT_IMAGE, cv2.COLOR_BGR2GRAY).astype(np.uint8)


def with_noise(image: Image, sigma: float, seed: int = 1) -> Image:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("black", [0, 16])
def test_a_covered_lens_is_black_but_a_dark_room_is_not(black: int) -> None:
    covered = np.full((240, 320), black, np.uint8)
    assert is_black(covered)
    assert is_black(with_noise(covered, 2.0))
    lamp_in_the_distance = covered.copy()
    lamp_in_the_distance[100:140, 100:160] = 60
    assert not is_black(lamp_in_the_distance)
    assert not is_black(with_noise((GRAY // 8).astype(np.uint8), 2.0))  # an eighth of the portrait's light


def test_data_that_never_arrived_is_green_but_a_green_wall_is_not() -> None:
    missing = np.full((240, 320, 3), (0, 135, 0), np.uint8)
    assert is_green(missing)
    lower_part = PORTRAIT_IMAGE.copy()
    lower_part[120:] = (0, 154, 0)
    assert is_green(lower_part)
    assert not is_green(PORTRAIT_IMAGE)
    assert not is_green(with_noise(missing, 6.0))  # a sensor's view of a green cloth
    leaves = np.full((240, 320, 3), (60, 150, 70), np.uint8)
    assert not is_green(leaves)


def test_an_image_by_infra_red_light_has_no_color() -> None:
    assert has_color(PORTRAIT_IMAGE)
    assert not has_color(GRAY)
    gray_in_three_channels = cv2.cvtColor(GRAY, cv2.COLOR_GRAY2BGR).astype(np.uint8)
    assert not has_color(gray_in_three_channels)
    assert not has_color(decode_image(cv2.imencode(".jpg", gray_in_three_channels)[1].tobytes(), color=True))
    person_in_a_gray_room = gray_in_three_channels.copy()
    person_in_a_gray_room[100:150, 100:130] = PORTRAIT_IMAGE[100:150, 100:130]
    assert has_color(person_in_a_gray_room)


def test_an_image_that_is_repeated_bit_by_bit_is_frozen_once_it_lasts() -> None:
    detector = RepetitionDetector(5.0)
    readings = [detector.update(GRAY.copy(), number / 10) for number in range(60)]
    assert readings == [False] * 50 + [True] * 10
    assert not detector.update(with_noise(GRAY, 0.5), 6.0)
    assert not any(detector.update(GRAY, 7.0 + number) for number in range(5))  # few images say little


def test_a_quiet_room_is_not_frozen_nor_is_a_dark_one() -> None:
    detector = RepetitionDetector(5.0)
    assert not any(detector.update(with_noise(GRAY, 0.3, seed), seed / 10) for seed in range(80))
    dark = np.zeros((240, 320), np.uint8)
    assert not any(detector.update(dark, 10 + number / 10) for number in range(80))


def brightness(values: list[float]) -> list[bool]:
    """The monitor's readings of images, ten in a second, of so much of the portrait's brightness."""
    monitor = ExposureMonitor()
    return [
        monitor.update(cv2.convertScaleAbs(GRAY, alpha=value).astype(np.uint8), number / 10)
        for number, value in enumerate(values)
    ]


def test_an_exposure_that_jumps_is_told_from_a_lamp_and_from_somebody_close_by() -> None:
    assert brightness(([1.0] * 5 + [1.5] * 5) * 10)[-1]
    gradual = list(1 + 0.4 * np.sin(np.arange(150) / 10 * np.pi))  # a second up, a second down
    assert brightness(gradual)[-1]
    assert not any(brightness([1.0] * 20 + [1.6] * 20 + [1.0] * 20 + [1.6] * 20))
    assert not any(brightness(list(1 + 0.05 * np.sin(np.arange(200)))))
    monitor, readings = ExposureMonitor(), []
    for number in range(200):
        image = GRAY.copy()
        if number // 10 % 2:
            image[:, :140] = 10  # passes again and again
        readings.append(monitor.update(image, number / 10))
    assert not any(readings)
