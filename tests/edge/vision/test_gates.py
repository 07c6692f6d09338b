"""What the model cannot read is not guessed: each gate on the portrait, spoiled in its way, and on what is good."""

import time
from dataclasses import replace

import cv2
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.frame import Frame
from mien.edge.camera.image_file import read_image
from mien.edge.vision.factory import open_detector
from mien.edge.vision.gates import check_crop, check_face, mouth_texture, signal_to_noise, turn
from mien.edge.vision.pipeline import VisionPipeline
from mien.edge.vision.settings import HaarSettings, YuNetSettings
from mien.face_detection.box import Box
from mien.face_detection.face import Face
from mien.model.classifier import Classifier
from mien.model.preprocessing import preprocess

Image = NDArray[np.uint8]
FRONTAL = np.array([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]], np.float32)


def read_face() -> Image:
    """The portrait's face, cropped."""
    portrait = read_image(PORTRAIT)
    return np.ascontiguousarray(portrait[65:175, 70:180])


def darkened(image: Image, gain: float) -> Image:
    noise = np.random.default_rng(4).normal(0, 4, image.shape)
    return np.clip(image * gain + noise, 0, 255).astype(np.uint8)


def small(image: Image) -> Image:
    return cv2.resize(image, (48, 48), interpolation=cv2.INTER_AREA).astype(np.uint8)


def blurred(image: Image, sigma: float) -> Image:
    return cv2.GaussianBlur(image, (0, 0), sigma).astype(np.uint8)


def masked(image: Image) -> Image:
    worn = image.copy()
    rows = np.arange(len(image))[68:, None]
    worn[68:] = np.clip(190 + 4 * np.sin(rows / 3), 0, 255)
    return worn


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda image: image, None),
        (small, None),
        (lambda image: darkened(small(image), 0.25), None),
        (lambda image: darkened(small(image), 0.03), "dark"),
        (lambda image: blurred(image, 3.0), None),  # 1.3 pixels of the model's input, which it was trained on
        (lambda image: blurred(image, 12.0), "blurred"),
        (masked, "covered"),
    ],
)
def test_a_crop_fails_only_the_gate_it_is_bad_for(spoil: object, reason: str | None) -> None:
    assert callable(spoil)
    assert check_crop(preprocess(spoil(read_face()).astype(np.uint8)), YuNetSettings()) == reason


def test_noise_alone_has_no_signal_and_a_drawing_has_no_noise() -> None:
    noise = np.random.default_rng(1).normal(128, 30, (48, 48)).astype(np.uint8)
    assert signal_to_noise(noise) < 0.3
    ramp = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (48, 1))
    assert signal_to_noise(ramp) > 20
    assert signal_to_noise(np.full((48, 48), 128, np.uint8)) == 0
    assert mouth_texture(np.full((48, 48), 128, np.uint8)) == 0


def face(**changes: object) -> Face:
    return replace(Face(box=Box(10, 10, 80), score=0.9, landmarks=FRONTAL), **changes)  # type: ignore[arg-type]


def landmarks_with_nose(x: float, y: float) -> NDArray[np.float32]:
    landmarks = FRONTAL.copy()
    landmarks[2] = x, y
    return landmarks


def test_a_turn_is_measured_along_the_line_of_the_eyes() -> None:
    assert turn(face()) == 0
    assert turn(face(landmarks=landmarks_with_nose(70, 60))) == pytest.approx(0.5)
    assert turn(face(landmarks=landmarks_with_nose(20, 75))) == pytest.approx(0.75)
    angle = np.deg2rad(30)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    rolled = landmarks_with_nose(70, 60) @ rotation.T.astype(np.float32)
    assert turn(face(landmarks=rolled)) == pytest.approx(0.5, abs=1e-4)
    assert turn(face(landmarks=np.zeros((5, 2), np.float32))) == float("inf")


@pytest.mark.parametrize(
    ("detected", "reason"),
    [
        (face(), None),
        (face(box=Box(0, 0, 15)), "small"),
        (face(box=Box(0, 0, 16)), None),
        (face(cut_off=0.2), None),
        (face(cut_off=0.5), "cut_off"),
        (face(landmarks=landmarks_with_nose(70, 60)), None),
        (face(landmarks=landmarks_with_nose(95, 60)), "turned"),
        (face(landmarks=None), None),
    ],
)
def test_a_face_fails_by_its_place_and_its_landmarks(detected: Face, reason: str | None) -> None:
    assert check_face(detected, YuNetSettings()) == reason


@pytest.mark.parametrize("settings", [YuNetSettings(), HaarSettings()])
def test_the_pipeline_counts_reasons_and_does_not_guess(settings: YuNetSettings | HaarSettings) -> None:
    vision = VisionPipeline(settings, detector=open_detector(settings), classifier=Classifier())
    portrait = read_image(PORTRAIT)
    (good,) = vision.process_image(Frame(portrait, time.monotonic()))
    assert (good.scores is None, good.skipped) == (False, None)
    strict = msgspec.structs.replace(settings, min_sharpness=1e6)
    vision = VisionPipeline(strict, detector=open_detector(strict), classifier=Classifier())
    (bad,) = vision.process_image(Frame(portrait, time.monotonic()))
    assert (bad.scores is None, bad.skipped) == (True, "blurred")
    vision.count_skipped("still", 3)
    health = vision.health()
    assert (health.frames, health.faces, health.blurred, health.too_small) == (1, 0, 1, 0)
    assert health.skipped == {"blurred": 1, "still": 3}
