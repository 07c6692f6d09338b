"""A picture of a face never moves by more than the camera's noise; a person does, and is never taken for a picture."""

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from parts.still_scenes import LOW_NOISE, Scene, draw_room, paste, read_portrait, scenes

from mien.edge.vision.still_faces import StillFaces
from mien.face_detection.box import Box

ROOM, PORTRAIT = draw_room(), read_portrait()
FACE = Box(292, 122, 66)
"""Of the portrait, where the drawn scenes show it."""
SCENES = {scene.name: scene for scene in scenes()}
Frames = Iterator[tuple[float, NDArray[np.uint8]]]


def still_shares(
    frames: Frames, still_faces: StillFaces, box: Callable[[float], Box] = lambda at_s: FACE
) -> list[bool]:
    """Whether the face counts as still, in each frame."""
    states = []
    for at_s, gray in frames:
        still_faces.update(gray, [(1, box(at_s))], at_s)
        states.append(still_faces.is_still(1))
    return states


def shift(frames: Frames, seconds: float) -> Frames:
    return ((at_s + seconds, gray) for at_s, gray in frames)


@pytest.mark.parametrize("name", ["poster", "poster, high gain", "still screen", "poster, dimmed lamp"])
def test_a_picture_is_still_in_every_frame(name: str) -> None:
    for seed in (1, 2):
        assert all(still_shares(SCENES[name].frames(20, seed), StillFaces(600)))


@pytest.mark.parametrize(
    "name", ["seated person", "seated person, high gain", "seated person who only blinks", "film on a screen"]
)
def test_a_person_is_not_still_once_anything_of_the_face_has_moved(name: str) -> None:
    states = still_shares(SCENES[name].frames(20, 1), StillFaces(600))
    first_alive = states.index(False)
    assert first_alive <= 45  # within 4.5 s: the first blink
    assert not any(states[first_alive:])


@pytest.mark.parametrize("noise", [LOW_NOISE, (8.0, 8.0)])
def test_a_move_by_one_pixel_is_enough(noise: tuple[float, float]) -> None:
    scene = Scene(
        name="moves once",
        draw=lambda at_s: paste(ROOM, PORTRAIT, 250 if at_s < 3 else 251, 90, 0.6),
        noise=noise,
    )
    states = still_shares(scene.frames(5), StillFaces(600))
    assert all(states[:30])
    assert not any(states[32:])


def test_a_face_that_does_not_change_for_long_is_still_until_its_next_change() -> None:
    def left(at_s: float) -> float:
        return 250 + 2 * sum(at_s >= change_s for change_s in (2, 30))

    scene = Scene(name="moves twice", draw=lambda at_s: paste(ROOM, PORTRAIT, left(at_s), 90, 0.6))
    states = still_shares(scene.frames(34), StillFaces(20))
    alive = [number / 10 for number, is_still in enumerate(states) if not is_still]
    expected = [number / 10 for number in (*range(20, 221), *range(300, 340))]
    # the smoothed image takes three frames to change entirely: the last change is up to half a second later
    assert set(alive) ^ set(expected) <= {number / 10 for number in range(220, 226)}


def test_a_face_that_arrives_is_alive_at_once() -> None:
    with_face = paste(ROOM, PORTRAIT, 250, 90, 0.6)
    scene = Scene(name="arrives", draw=lambda at_s: ROOM if at_s < 2 else with_face)
    still_faces = StillFaces(600)
    states = []
    for at_s, gray in scene.frames(20):
        still_faces.update(gray, [(1, FACE)] if at_s >= 2 else [], at_s)
        states.append(still_faces.is_still(1))
    assert not any(states[20:110])
    assert all(states[125:])  # but nothing moves any more: someone has hung up a picture


def test_a_walker_is_alive_before_the_noise_is_known() -> None:
    empty = np.asarray(ROOM, np.uint8)
    still_faces = StillFaces(600)
    for number in range(3):
        still_faces.update(empty, [(1, Box(100 + 60 * number, 120, 66))], number / 10)
    assert not still_faces.is_still(1)


def test_a_detector_that_varies_does_not_make_a_picture_move() -> None:
    random = np.random.default_rng(5)

    def box(at_s: float) -> Box:
        side = 100 if random.random() < 0.1 else 66
        jitter = random.integers(-4, 5, 2)
        return Box(int(325 - side // 2 + jitter[0]), int(155 - side // 2 + jitter[1]), side)

    assert all(still_shares(SCENES["poster"].frames(20), StillFaces(600), box))


def test_after_a_pause_the_light_has_changed_and_the_poster_is_still_a_poster() -> None:
    still_faces = StillFaces(600)
    evening = Scene(
        name="evening",
        draw=lambda at_s: paste(ROOM, PORTRAIT, 250, 90, 0.6) * np.linspace(0.5, 1.2, 640, dtype=np.float32),
    )
    still_shares(SCENES["poster"].frames(5), still_faces)
    still_faces.start_capture()
    assert all(still_shares(shift(evening.frames(5), 3600), still_faces))


def test_who_partly_covers_a_poster_makes_it_a_face_for_seconds_only() -> None:
    def draw(at_s: float) -> NDArray[np.float32]:
        image = paste(ROOM, PORTRAIT, 250, 90, 0.6)
        if 5 <= at_s < 6:
            image[150:, 300:340] = 30
        return image

    states = still_shares(Scene(name="hand", draw=draw).frames(20), StillFaces(600))
    assert all(states[:50])
    assert not any(states[52:100])
    assert all(states[125:])


def test_each_capture_numbers_its_tracks_anew() -> None:
    still_faces = StillFaces(600)
    still_shares(SCENES["poster"].frames(1), still_faces)
    assert still_faces.is_still(1)
    still_faces.start_capture()
    assert not still_faces.is_still(1)


def test_without_a_limit_every_face_counts() -> None:
    assert not any(still_shares(SCENES["poster"].frames(2), StillFaces(0)))


def test_frames_of_another_size_begin_anew() -> None:
    still_faces = StillFaces(600)
    still_shares(SCENES["poster"].frames(2), still_faces)
    small = ((at_s, cv2.resize(gray, (320, 240)).astype(np.uint8)) for at_s, gray in SCENES["poster"].frames(2))
    assert all(still_shares(shift(small, 2), still_faces, lambda at_s: Box(146, 61, 33)))
    still_faces.update(np.full((6, 9), 128, np.uint8), [(1, Box(0, 0, 6))], 4.0)
