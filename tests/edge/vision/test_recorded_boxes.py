"""Each detector finds the portrait where it did on an x86-64 machine: run on other processors too."""

import cv2
import numpy as np
import pytest

from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.image_file import read_image
from mien.edge.vision.factory import open_detector
from mien.edge.vision.settings import FaceSettings, HaarSettings, YuNetSettings
from mien.face_detection.box import Box, Region

MIN_IOU = 0.95
SETTINGS: dict[str, FaceSettings] = {"yunet": YuNetSettings(), "haar": HaarSettings()}
RECORDED = {
    ("yunet", 0.5, False): Box(left=186, top=92, side=52),
    ("yunet", 0.5, True): Box(left=185, top=94, side=54),
    ("yunet", 1.0, False): Box(left=219, top=124, side=110),
    ("yunet", 1.0, True): Box(left=220, top=127, side=108),
    ("yunet", 1.5, False): Box(left=250, top=148, side=174),
    ("yunet", 1.5, True): Box(left=255, top=161, side=162),
    ("haar", 0.5, False): Box(left=186, top=91, side=53),
    ("haar", 0.5, True): Box(left=187, top=92, side=51),
    ("haar", 1.0, False): Box(left=223, top=123, side=102),
    ("haar", 1.0, True): Box(left=223, top=122, side=103),
    ("haar", 1.5, False): Box(left=260, top=156, side=153),
    ("haar", 1.5, True): Box(left=259, top=154, side=157),
}
"""Of OpenCV 4.14; for the portrait at half, full and one and a half times its size."""


@pytest.mark.parametrize(("detector", "scale", "is_region"), RECORDED)
def test_the_boxes_are_those_of_an_x86_machine(detector: str, scale: float, is_region: bool) -> None:
    portrait = read_image(PORTRAIT, color=True)
    portrait = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
    height, width = portrait.shape[:2]
    frame = np.full((480, 640, 3), 96, np.uint8)
    frame[60 : 60 + height, 150 : 150 + width] = portrait
    region = Region(150, 60, width, width) if is_region else None
    (face,) = open_detector(SETTINGS[detector]).detect(frame, region=region)
    assert face.box.iou(RECORDED[detector, scale, is_region]) >= MIN_IOU
