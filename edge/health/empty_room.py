"""Watches an empty room for what the detector takes for faces, and proposes to mask it, for `mien doctor`."""

import math
import time
from collections.abc import Iterable, Iterator, Sequence

from mien.checks import CheckResult, failed, ok, warning
from mien.edge.camera.factory import check_camera, open_camera
from mien.edge.camera.frame_reader import FrameReader
from mien.edge.settings import AgentSettings
from mien.edge.vision.factory import open_detector
from mien.errors import CameraError, MienError
from mien.face_detection.detector import FaceDetector

MARGIN = 0.25
"""Added on each side of a masked face, in sides of its box: half a face beside a mask may still be one."""
STEP = 0.01
"""Areas are rounded outwards to this fraction of the image."""
SUBJECT = "empty room"

Area = tuple[float, float, float, float]
"""Left, top, width and height as fractions of the image, as in the setting `mask`."""


def watch_empty_room(settings: AgentSettings, duration_s: float) -> Iterator[CheckResult]:
    """Search every frame for faces for so long, or until a file ends; one result, whose hint is the mask to set."""
    try:
        check_camera(settings.camera)
        frames, areas = _find_faces(settings, open_detector(settings.faces), duration_s)
    except MienError as problem:
        yield failed(SUBJECT, problem)
        return
    message = f"faces in {len(areas)} of {frames} frames"
    if not areas:
        yield ok(SUBJECT, message)
        return
    proposed = merge_areas([area for in_frame in areas for area in in_frame])
    places = "1 place" if len(proposed) == 1 else f"{len(proposed)} places"
    mask = to_toml_line([*settings.camera.mask, *proposed])
    yield warning(SUBJECT, f"{message}, in {places}", f"if nobody was in view, set in [camera]: {mask}")


def merge_areas(areas: Iterable[Area]) -> list[Area]:
    """Few areas that cover all of these: those that overlap become one, which is rounded outwards."""
    merged: list[Area] = []
    for area in map(_round_outwards, areas):
        joined, others = area, merged
        while touching := [other for other in others if _overlap(joined, other)]:
            others = [other for other in others if other not in touching]
            joined = _enclose([joined, *touching])
        merged = [*others, joined]
    return sorted(merged)


def to_toml_line(areas: Sequence[Area]) -> str:
    """The setting as a line of agent.toml."""
    return "mask = [" + ", ".join("[" + ", ".join(f"{value:g}" for value in area) + "]" for area in areas) + "]"


def _find_faces(settings: AgentSettings, detector: FaceDetector, duration_s: float) -> tuple[int, list[list[Area]]]:
    """The number of frames, and the faces, with a margin, of each frame that has any."""
    camera = settings.camera
    frames, areas = 0, []
    with FrameReader(lambda is_closing: open_camera(camera, is_closing=is_closing)) as reader:
        end_s = None
        timeout_s = camera.first_frame_timeout_s
        while end_s is None or time.monotonic() < end_s:
            try:
                frame = reader.next_frame(timeout_s)
            except CameraError:
                if not frames:
                    raise
                break  # a file has ended, and what it has shown counts
            if frame is None:
                break
            end_s = time.monotonic() + duration_s if end_s is None else end_s
            frames += 1
            found = [_with_margin(face.box.to_fractions(frame.gray)) for face in detector.detect(frame.image)]
            if found:
                areas.append(found)
    if not frames:
        raise CameraError(f"no frame in {timeout_s:g} s: check the camera, or stop an agent that uses it")
    return frames, areas


def _with_margin(area: Area) -> Area:
    left, top, width, height = area
    return left - MARGIN * width, top - MARGIN * height, width * (1 + 2 * MARGIN), height * (1 + 2 * MARGIN)


def _round_outwards(area: Area) -> Area:
    left, top = (max(0.0, math.floor(value / STEP + 1e-6) * STEP) for value in area[:2])
    right = min(1.0, math.ceil((area[0] + area[2]) / STEP - 1e-6) * STEP)
    bottom = min(1.0, math.ceil((area[1] + area[3]) / STEP - 1e-6) * STEP)
    return round(left, 2), round(top, 2), round(right - left, 2), round(bottom - top, 2)


def _overlap(one: Area, other: Area) -> bool:
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )


def _enclose(areas: Sequence[Area]) -> Area:
    left, top = min(area[0] for area in areas), min(area[1] for area in areas)
    right, bottom = max(area[0] + area[2] for area in areas), max(area[1] + area[3] for area in areas)
    return round(left, 2), round(top, 2), round(right - left, 2), round(bottom - top, 2)
