"""YuNet's adapter on a test network with YuNet's inputs and outputs, which detects white cells as faces.

Whether YuNet itself detects faces: tests/edge/vision/test_face_follower.py, if its file is available.
"""

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from mien.edge.vision.factory import open_detector
from mien.edge.vision.settings import YuNetSettings
from mien.errors import ModelError
from mien.face_detection.detector import FaceDetector

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
    return YuNetSettings(detector_model=str(tmp_path / "white.onnx"), margin=0.0)


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
    (box,) = detector.detect(frame((288, 224)))
    side = (WIDTH + HEIGHT) / 2 * 2  # a square with the mean side length, in pixels of the frame
    assert box.side == pytest.approx(side, abs=2)
    assert box.left + box.side / 2 == pytest.approx(288, abs=2)
    assert box.top + box.side / 2 == pytest.approx(224, abs=2)


def test_every_face_is_detected_and_none_if_there_is_none(detector: FaceDetector) -> None:
    boxes = detector.detect(frame((160, 160), (480, 352)))
    centers = {(round((box.left + box.side / 2) / 32), round((box.top + box.side / 2) / 32)) for box in boxes}
    assert centers == {(5, 5), (15, 11)}
    assert detector.detect(frame()) == []


def test_a_box_at_the_edge_is_moved_into_the_frame(detector: FaceDetector) -> None:
    image = frame((32, 32))
    (box,) = detector.detect(image)
    assert (box.left, box.top) == (0, 0)
    assert box.crop(image).shape == (box.side, box.side)


def test_faces_below_the_minimum_size_are_skipped(settings: YuNetSettings) -> None:
    large = YuNetSettings(detector_model=settings.detector_model, min_face_px=110)
    assert open_detector(large).detect(frame((288, 224))) == []


def test_frames_of_any_size_are_accepted(detector: FaceDetector) -> None:
    for shape in ((480, 640), (96, 128), (1080, 1920), (33, 70)):
        for box in detector.detect(np.full(shape, 255, np.uint8)):
            assert 0 < box.side <= min(shape)


def test_a_file_that_is_not_a_yunet_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "noise.onnx").write_bytes(b"noise")
    message = r"noise.onnx cannot be read as a YuNet model .*: download face_detection_yunet_2023mar"
    with pytest.raises(ModelError, match=message):
        open_detector(YuNetSettings(detector_model=str(tmp_path / "noise.onnx")))
