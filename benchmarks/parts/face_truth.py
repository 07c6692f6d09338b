"""A folder of images with the faces in them, and how a detector's faces are compared with these."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import Struct

from mien.face_detection.box import Box

Rectangle = tuple[float, float, float, float]
"""Left, top, width and height in pixels of the image."""
MIN_IOU = 0.35
"""Of a detected square and a marked one: detectors differ in how much forehead and chin they take for a face."""
COUNTED_PX = 32
"""Faces from this size on count: recall, and false faces."""


class MarkedFace(Struct, frozen=True, kw_only=True):
    """A face in an image."""

    box: Rectangle
    size: float
    """In pixels: the mean of the box's width and height."""
    pose: str
    """frontal, half or profile."""
    roll: float = 0.0
    """Degrees."""

    def square(self) -> Box:
        """The box as detectors give it."""
        left, top, width, height = self.box
        side = max(1.0, (width + height) / 2)
        return Box(round(left + (width - side) / 2), round(top + (height - side) / 2), round(side))


class MarkedImage(Struct, frozen=True, kw_only=True):
    """What truth.json says of an image."""

    faces: list[MarkedFace] = []
    ignore: list[Rectangle] = []
    """A hit whose center is here counts neither way: a face too blurred to say, a drawing, a crowd."""
    source: str = ""


@dataclass
class Comparison:
    """Which of the marked faces a detector found, and how many that are not there."""

    found: list[tuple[MarkedFace, bool]] = field(default_factory=list)
    false_faces: int = 0

    def add(self, detected: list[Box], image: MarkedImage) -> None:
        """Compare the faces of one image, the best pairs first."""
        squares = [face.square() for face in image.faces]
        pairs = sorted(
            ((box.iou(square), box, number) for box in detected for number, square in enumerate(squares)),
            key=lambda pair: pair[0],
            reverse=True,
        )
        matched: dict[int, Box] = {}
        for iou, box, number in pairs:
            if iou >= MIN_IOU and number not in matched and box not in matched.values():
                matched[number] = box
        self.found += [(face, number in matched) for number, face in enumerate(image.faces)]
        for box in detected:
            if box.side < COUNTED_PX or box in matched.values():
                continue
            center_x, center_y = box.left + box.side / 2, box.top + box.side / 2
            if not any(_contains(area, center_x, center_y) for area in image.ignore):
                self.false_faces += 1

    def recall(self, *, min_px: float = 0.0, max_px: float = math.inf, pose: str | None = None) -> float:
        """The fraction found of the faces of a size and a pose; not a number if there are none."""
        found = [
            was_found for face, was_found in self.found if min_px <= face.size < max_px and pose in (None, face.pose)
        ]
        return sum(found) / len(found) if found else math.nan


def read_truth(folder: Path) -> dict[Path, MarkedImage]:
    """The images of a folder and what is marked in them. SystemExit says what is wrong."""
    file = folder / "truth.json"
    try:
        images = msgspec.json.decode(file.read_bytes(), type=dict[str, MarkedImage])
    except OSError as error:
        raise SystemExit(f"{file} cannot be read ({error.strerror}): see `benchmarks/detection.py --help`") from error
    except msgspec.DecodeError as error:
        raise SystemExit(f"{file} is not as in `benchmarks/detection.py --help`: {error}") from error
    return {folder / name: image for name, image in images.items()}


def _contains(area: Rectangle, x: float, y: float) -> bool:
    left, top, width, height = area
    return left <= x <= left + width and top <= y <= top + height
