import numpy as np
import pytest

from mien.edge.settings import Reporting
from mien.edge.tracks import Face, Sighting, Tracks
from mien.faces import Box


def face(left: int, emotion: int = 3) -> Face:
    scores = np.full(7, 0.05, np.float32)
    scores[emotion] = 0.7
    return Face(box=Box(left, 10, 100), fractions=(0.1, 0.1, 0.2, 0.2), scores=scores, latency_ms=30)


def test_one_face_is_one_observation_an_interval() -> None:
    tracks = Tracks(Reporting(interval_s=1.0))
    sightings = [sighting for tick in range(100) for sighting in tracks.see([face(tick)], tick / 10)]
    assert len(sightings) == 9
    assert {sighting.track for sighting in sightings} == {1}
    assert all(9 <= sighting.frames <= 11 for sighting in sightings)


def test_the_scores_are_the_mean_over_the_frames() -> None:
    tracks = Tracks(Reporting(interval_s=1.0, fewest_frames=1))
    tracks.see([face(0, emotion=3)], 0.0)
    (sighting,) = tracks.see([face(0, emotion=4)], 1.0)
    assert sighting.scores[3] == sighting.scores[4] == pytest.approx(0.375)
    assert sighting.frames == 2


def test_two_faces_keep_their_tracks_when_one_moves() -> None:
    tracks = Tracks(Reporting(interval_s=1.0))
    seen: list[Sighting] = []
    for tick in range(11):
        seen += tracks.see([face(300 - tick), face(tick * 5)], tick / 10)
    assert sorted(sighting.track for sighting in seen) == [1, 2]


def test_a_face_that_comes_back_after_a_while_is_a_new_track() -> None:
    tracks = Tracks(Reporting(interval_s=0.5, fewest_frames=1))
    tracks.see([face(0)], 0.0)
    (gone,) = tracks.see([], 1.5)
    tracks.see([face(0)], 2.0)
    (back,) = tracks.finish()
    assert (gone.track, back.track) == (1, 2)


def test_a_face_that_flickers_is_not_reported() -> None:
    tracks = Tracks(Reporting(interval_s=1.0, fewest_frames=3))
    tracks.see([face(0)], 0.0)
    assert tracks.see([], 1.2) == []
    assert tracks.finish() == []


def test_what_is_left_is_reported_when_the_capture_ends() -> None:
    tracks = Tracks(Reporting(interval_s=10.0))
    for tick in range(5):
        assert tracks.see([face(tick)], tick / 10) == []
    (sighting,) = tracks.finish()
    assert sighting.frames == 5
    assert tracks.finish() == []
