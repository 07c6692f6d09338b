"""YuNet's adapter, on the file that ships with mien and on a test network that detects white cells as faces.

The test network has YuNet's inputs and outputs. What all detectors share is in test_conformance.py.
"""

import inspect
import logging
import math
from pathlib import Path

import cv2
import msgspec
import numpy as np
import onnx
import pytest
from face_scenes import Scene
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mien.edge.vision.factory import open_detector, open_detector_or_fallback
from mien.edge.vision.settings import HaarSettings, YuNetSettings
from mien.errors import ModelError
from mien.face_detection import yunet
from mien.face_detection.box import Region
from mien.face_detection.detector import FaceDetector
from mien.face_detection.haar import HaarDetector
from mien.face_detection.yunet import YuNetDetector

STRIDES = (8, 16, 32)
CHANNELS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
WIDTH, HEIGHT = 96.0, 112.0
"""Of the face that it detects around a white cell of 32 pixels."""


def network() -> onnx.ModelProto:
    """For each stride a convolution over one cell; only the output of the largest stride depends on the cell."""
    nodes, weights, outputs = [], [], []
    for stride in STRIDES:
        for head, count in CHANNELS.items():
            kernel = np.zeros((count, 3, stride, stride), np.float32)
            bias = np.zeros(count, np.float32)
            if stride == 32 and head == "cls":
                kernel[:] = 1 / (3 * 255 * stride**2)
            elif head == "obj":
                bias[:] = 1
            elif head == "bbox":
                bias[:] = (0.5, 0.5, math.log(WIDTH / 32), math.log(HEIGHT / 32))
            name = f"{head}_{stride}"
            for part, values in (("kernel", kernel), ("bias", bias), ("shape", np.array([1, -1, count], np.int64))):
                weights.append(numpy_helper.from_array(values, f"{name}_{part}"))
            nodes += [
                helper.make_node(
                    "Conv", ["input", f"{name}_kernel", f"{name}_bias"], [f"{name}_map"], strides=[stride] * 2
                ),
                helper.make_node("Transpose", [f"{name}_map"], [f"{name}_last"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"{name}_last", f"{name}_shape"], [name]),
            ]
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, (640 // stride) ** 2, count]))
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 640, 640])
    graph = helper.make_graph(nodes, "white", [image], outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)


@pytest.fixture
def settings(tmp_path: Path) -> YuNetSettings:
    onnx.save(network(), tmp_path / "white.onnx")
    # half gray, as a uniform frame is after its contrast was stretched, scores 0.71
    return YuNetSettings(detector_model=str(tmp_path / "white.onnx"), margin=0.0, min_score=0.8)


@pytest.fixture
def detector(settings: YuNetSettings) -> FaceDetector:
    return open_detector(settings)


def frame(*cells: tuple[int, int], shape: tuple[int, int] = (480, 640)) -> NDArray[np.uint8]:
    """Black with white cells around these centers, 64 pixels wide: 32 in the working image of half the width."""
    image = np.zeros(shape, np.uint8)
    for x, y in cells:
        image[y - 32 : y + 32, x - 32 : x + 32] = 255
    return image


def test_a_face_is_where_the_network_detects_it(detector: FaceDetector) -> None:
    (box,) = (face.box for face in detector.detect(frame((288, 224))))
    side = (WIDTH + HEIGHT) / 2 * 2  # a square with the mean side length, in pixels of the frame
    assert box.side == pytest.approx(side, abs=2)
    assert box.left + box.side / 2 == pytest.approx(288, abs=2)
    assert box.top + box.side / 2 == pytest.approx(224 - 0.01 * side, abs=2)


def test_every_face_is_detected_and_none_if_there_is_none(detector: FaceDetector) -> None:
    boxes = [face.box for face in detector.detect(frame((160, 160), (480, 352)))]
    centers = {(round((box.left + box.side / 2) / 32), round((box.top + box.side / 2) / 32)) for box in boxes}
    assert centers == {(5, 5), (15, 11)}
    assert detector.detect(frame()) == []


def test_a_face_at_the_edge_is_moved_into_the_frame_and_cut_off(detector: FaceDetector) -> None:
    image = frame((32, 32), (288, 224))
    inside, cut = sorted(detector.detect(image), key=lambda face: face.cut_off)
    assert (cut.box.left, cut.box.top) == (0, 0)
    assert cut.box.crop(image).shape == (cut.box.side, cut.box.side)
    visible = (WIDTH + 32) / 2 * (HEIGHT + 32) / 2  # of the working image: from the edge to half the face behind 16
    assert cut.cut_off == pytest.approx(1 - visible / (WIDTH * HEIGHT), abs=0.01)
    assert inside.cut_off == pytest.approx(0.0, abs=1e-6)


def test_faces_below_the_minimum_size_are_skipped(settings: YuNetSettings) -> None:
    large = YuNetSettings(detector_model=settings.detector_model, min_face_px=110)
    assert open_detector(large).detect(frame((288, 224))) == []


def test_frames_of_any_size_are_accepted(detector: FaceDetector) -> None:
    for shape in ((480, 640), (96, 128), (1080, 1920), (33, 70)):
        for face in detector.detect(np.full(shape, 255, np.uint8)):
            assert 0 < face.box.side <= min(shape)


def test_a_file_that_is_not_a_yunet_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "noise.onnx").write_bytes(b"noise")
    message = r"noise.onnx cannot be read as a YuNet model .*: leave out faces.detector_model, or copy face_detection_"
    with pytest.raises(ModelError, match=message):
        open_detector(YuNetSettings(detector_model=str(tmp_path / "noise.onnx")))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none.onnx cannot be read as a YuNet model \(No such file or directory\): "):
        open_detector(YuNetSettings(detector_model=str(tmp_path / "none.onnx")))


@pytest.mark.parametrize("damage", [None, b"", b"\0"])
def test_a_damaged_installation_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: bytes | None) -> None:
    file = tmp_path / "yunet.onnx"
    if damage is not None:
        file.write_bytes(yunet.YUNET_MODEL.read_bytes()[: 200_000 if damage else 0] + damage)
    monkeypatch.setattr(yunet, "YUNET_MODEL", file)
    with pytest.raises(
        ModelError, match=r"yunet.onnx (is damaged|cannot be read as a YuNet model) .*: install mien again"
    ):
        YuNetDetector(file)


def test_without_its_file_the_agent_detects_with_the_cascade_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if not hasattr(cv2, "CascadeClassifier"):
        pytest.skip("OpenCV 5 has no Haar cascade")
    settings = YuNetSettings(detector_model=str(tmp_path / "none.onnx"))
    with caplog.at_level(logging.ERROR):
        detector, error = open_detector_or_fallback(settings)
    assert isinstance(detector, HaarDetector)
    assert error.startswith(f"{tmp_path}/none.onnx cannot be read as a YuNet model")
    assert caplog.messages == [f"{error}; detecting faces with the Haar cascade until then"]


def test_without_file_and_cascade_the_file_is_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "CascadeClassifier", raising=False)
    with pytest.raises(ModelError, match=r"none.onnx cannot be read as a YuNet model"):
        open_detector_or_fallback(YuNetSettings(detector_model=str(tmp_path / "none.onnx")))


def test_a_detector_that_can_be_opened_is_no_error() -> None:
    detector, error = open_detector_or_fallback(YuNetSettings())
    assert isinstance(detector, YuNetDetector)
    assert error == ""
    if hasattr(cv2, "CascadeClassifier"):
        assert isinstance(open_detector_or_fallback(HaarSettings())[0], HaarDetector)


def test_the_agent_s_defaults_are_those_of_the_detector() -> None:
    settings = msgspec.structs.asdict(YuNetSettings())
    for name, setting in inspect.signature(YuNetDetector).parameters.items():
        assert name == "model" or settings[name] == setting.default


def test_opening_it_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    YuNetDetector()
    assert capfd.readouterr() == ("", "")


def test_landmarks_are_in_pixels_of_the_frame(scene: Scene) -> None:
    box = scene.faces[0]
    region = Region(box.left - 70, box.top - 70, box.side + 140, box.side + 140)
    for searched in (None, region):
        (face,) = YuNetDetector().detect(scene.frame, region=searched)
        assert face.landmarks is not None
        assert face.landmarks.shape == (5, 2)
        (left_eye, right_eye, nose, left_mouth, right_mouth) = face.landmarks.tolist()
        assert left_eye[0] < nose[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
        for x, y in face.landmarks.tolist():
            assert box.left < x < box.left + box.side
            assert box.top < y < box.top + box.side


@pytest.mark.parametrize("roll_degrees", [30, -30])
def test_roll_is_positive_clockwise(scene: Scene, roll_degrees: float) -> None:
    box = scene.faces[0]
    center = box.left + box.side / 2, box.top + box.side / 2
    matrix = cv2.getRotationMatrix2D(center, -roll_degrees, 1.0)
    rolled = cv2.warpAffine(scene.frame, matrix, (640, 480), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)
    (upright,) = YuNetDetector().detect(scene.frame)
    (face,) = YuNetDetector().detect(rolled)
    assert abs(upright.roll_degrees) < 5
    assert math.copysign(1, face.roll_degrees) == math.copysign(1, roll_degrees)
    assert 5 < abs(face.roll_degrees) < 45
