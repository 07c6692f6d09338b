"""What the page says."""

from typing import Any, Literal

import pytest

from mien.edge.aim.advice import Adviser
from mien.edge.aim.reading import FaceMeasures, FaceReading, FrameReading
from mien.edge.aim.sketch import Sketch
from mien.edge.camera.settings import DemoCameraSettings
from mien.edge.settings import AgentSettings
from mien.edge.vision.settings import YuNetSettings

GOOD: dict[str, float] = {
    "side_px": 64,
    "cut_off": 0,
    "turn": 0.1,
    "roll_degrees": 3,
    "brightness": 110,
    "sharpness": 40,
    "signal_to_noise": 9,
    "mouth_texture": 1,
}
ADVISER = Adviser(settings=AgentSettings(device="hallway"))


def reading(*, brightness: float = 120.0, contrast: float = 50.0, **face: Any) -> FrameReading:
    """A frame with one face, which is good but for what is given; none with `side_px=0`."""
    measures = FaceMeasures(**GOOD | face)
    faces = [FaceReading(box_fractions=(0.4, 0.4, 0.1, 0.13), problem=None, measures=measures)]
    return FrameReading(
        width=640,
        height=480,
        brightness=brightness,
        contrast=contrast,
        faces=faces if measures.side_px else [],
        sketch=Sketch(width=8, height=1, bits=b"\0"),
    )


def line(topic: str, readings: list[FrameReading], adviser: Adviser = ADVISER) -> tuple[str, str]:
    (advice,) = [advice for advice in adviser.advise(readings) if advice.topic == topic]
    return advice.level, advice.text


def test_a_good_place_needs_no_advice() -> None:
    assert [advice.level for advice in ADVISER.advise([reading()])] == ["ok"] * 4
    assert line("size", [reading()]) == ("ok", "faces here are 64 px, 40 are needed")


@pytest.mark.parametrize(
    ("face", "view_degrees", "expected"),
    [
        (
            {"side_px": 34},
            None,
            ("warning", "faces here are 34 px, 40 are needed: a fifth of the distance closer"),
        ),
        ({"side_px": 32}, 66, ("warning", "faces here are 32 px, 40 are needed: half a metre closer")),
        (
            {"side_px": 12},
            None,
            (
                "error",
                "faces here are 12 px, and below 16 none is read; 40 are needed: three quarters of the distance closer",
            ),
        ),
        (
            {"cut_off": 0.4},
            None,
            ("error", "the face is cut off by the image's edge: turn the camera until all of it is inside"),
        ),
    ],
)
def test_it_says_how_much_closer(face: dict[str, float], view_degrees: float | None, expected: tuple[str, str]) -> None:
    adviser = Adviser(settings=AgentSettings(device="hallway"), view_degrees=view_degrees)
    assert line("size", [reading(**face)], adviser) == expected


def test_a_stricter_setting_needs_larger_faces() -> None:
    settings = AgentSettings(device="hallway", faces=YuNetSettings(min_crop_px=80))
    assert line("size", [reading()], Adviser(settings=settings))[0] == "error"
    assert Adviser(settings=settings).needed_px == 80


@pytest.mark.parametrize(
    ("measures", "level", "text"),
    [
        ({"contrast": 3.0}, "error", "the image is blank: remove the lens cap, or turn on a light"),
        ({"brightness": 20.0, "contrast": 12.0}, "error", "too dark, brightness 20 of 255: turn on a light"),
        ({"brightness": 240.0}, "error", "too bright, brightness 240 of 255: turn the camera away from the light"),
        (
            {"signal_to_noise": 0.5},
            "error",
            "the face is lost in the camera's noise: turn on a light in front of people",
        ),
        ({}, "ok", "enough light, brightness 120 of 255"),
    ],
)
def test_it_says_what_is_wrong_with_the_light(measures: dict[str, float], level: str, text: str) -> None:
    assert line("light", [reading(**measures)]) == (level, text)


def test_a_face_in_front_of_a_window_is_seen() -> None:
    frame = reading(brightness=150.0)
    (face,) = frame.faces
    assert line("light", [frame])[0] == "ok"
    dark = FaceMeasures(**GOOD | {"brightness": 60})
    backlit = FrameReading(
        width=640,
        height=480,
        brightness=150.0,
        contrast=50.0,
        faces=[FaceReading(box_fractions=face.box_fractions, problem=None, measures=dark)],
        sketch=frame.sketch,
    )
    level, text = line("light", [backlit])
    assert level == "warning"
    assert text.startswith("the face is in the shade, 60 of 255 against 150 around it: turn the camera away from the")


@pytest.mark.parametrize(
    ("topic", "face", "level", "text"),
    [
        ("sharpness", {"sharpness": 3}, "error", "the face is blurred, 3 where 6 is needed: focus the lens, wipe it"),
        ("head", {"turn": 1.3}, "error", "the head is turned too far to the side: hang the camera where people look"),
        ("head", {"turn": 0.7}, "warning", "the head is half turned away: faces are read best from the front"),
        ("head", {"mouth_texture": 0.1}, "error", "the mouth seems to be covered: take off a mask or a scarf"),
    ],
)
def test_it_says_what_is_wrong_with_a_face(topic: str, face: dict[str, float], level: str, text: str) -> None:
    found_level, found_text = line(topic, [reading(**face)])
    assert found_level == level
    assert found_text.startswith(text)


@pytest.mark.parametrize(
    ("rotate", "flip", "roll_degrees", "advised"),
    [
        (0, "none", 88, 270),
        (0, "none", -91, 90),
        (0, "none", 178, 180),
        (90, "none", 90, 0),
        (270, "none", 95, 180),
        (0, "horizontal", 88, 90),
        (0, "vertical", -91, 270),
    ],
)
def test_a_camera_that_hangs_sideways_gets_its_rotation(
    rotate: Literal[0, 90, 270], flip: Literal["none", "horizontal", "vertical"], roll_degrees: float, advised: int
) -> None:
    camera = DemoCameraSettings(rotate=rotate, flip=flip)
    adviser = Adviser(settings=AgentSettings(device="hallway", camera=camera))
    expected = f"heads are not upright: set rotate = {advised} under [camera]"
    assert line("head", [reading(roll_degrees=roll_degrees)], adviser) == ("error", expected)


def test_without_a_face_it_says_where_to_stand() -> None:
    levels = {advice.topic: advice.level for advice in ADVISER.advise([reading(side_px=0)])}
    assert levels == {"size": "unknown", "light": "ok", "sharpness": "unknown", "head": "unknown"}
    assert line("size", [reading(side_px=0)])[1] == "no face found: stand where people will be, and look at the camera"


def test_a_blink_of_the_detector_changes_nothing() -> None:
    frames = [reading(), reading(side_px=0), reading(sharpness=2), reading(), reading(side_px=0)]
    assert [advice.level for advice in ADVISER.advise(frames)] == ["ok"] * 4
    assert line("size", [*frames, reading(side_px=0)])[0] == "ok"
    assert line("size", [*frames, reading(side_px=0), reading(side_px=0)])[0] == "unknown"
