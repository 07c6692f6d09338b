"""Faces are tracked from frame to frame, and each track is summarized once per interval."""

import numpy as np
import pytest

from mien.edge.settings import ReportingSettings
from mien.edge.vision.tracker import FaceResult, Tracker, TrackSummary
from mien.face_detection.box import Box
from mien.face_detection.face import Face


def make_face(left: int, emotion: int = 3) -> FaceResult:
    scores = np.full(7, 0.05, np.float32)
    scores[emotion] = 0.7
    face = Face(box=Box(left, 10, 100), score=0.9)
    return FaceResult(face=face, box_fractions=(0.1, 0.1, 0.2, 0.2), scores=scores, latency_ms=30)


def test_one_face_is_one_summary_per_interval() -> None:
    tracker = Tracker(ReportingSettings(interval_s=1.0))
    summaries = [summary for tick in range(100) for summary in tracker.update([make_face(tick)], tick / 10)]
    assert len(summaries) == 9
    assert {summary.track for summary in summaries} == {1}
    assert all(9 <= summary.frames <= 11 for summary in summaries)


def test_the_scores_are_the_mean_over_the_frames() -> None:
    tracker = Tracker(ReportingSettings(interval_s=1.0, min_frames=1))
    tracker.update([make_face(0, emotion=3)], 0.0)
    (summary,) = tracker.update([make_face(0, emotion=4)], 1.0)
    assert summary.scores[3] == summary.scores[4] == pytest.approx(0.375)
    assert summary.frames == 2


def test_two_faces_keep_their_tracks_when_they_move() -> None:
    tracker = Tracker(ReportingSettings(interval_s=1.0))
    summaries: list[TrackSummary] = []
    for tick in range(11):
        summaries += tracker.update([make_face(300 - tick), make_face(tick * 5)], tick / 10)
    assert sorted(summary.track for summary in summaries) == [1, 2]


def test_a_face_that_returns_after_a_while_is_a_new_track() -> None:
    tracker = Tracker(ReportingSettings(interval_s=0.5, min_frames=1))
    tracker.update([make_face(0)], 0.0)
    (lost,) = tracker.update([], 1.5)
    tracker.update([make_face(0)], 2.0)
    (returned,) = tracker.finish()
    assert (lost.track, returned.track) == (1, 2)


def test_a_face_that_was_covered_for_a_second_keeps_its_track() -> None:
    tracker = Tracker(ReportingSettings(interval_s=0.5, min_frames=1))
    for tick in range(3):
        tracker.update([make_face(0)], tick / 10)
    for tick in range(3, 13):
        tracker.update([], tick / 10)
    tracker.update([make_face(5)], 1.3)
    assert [number for number, _ in tracker.visible_faces()] == [1]


def test_frames_that_are_far_apart_continue_a_track_only_where_it_was() -> None:
    tracker = Tracker(ReportingSettings(interval_s=60.0, min_frames=1))
    tracker.update([make_face(100)], 0.0)
    tracker.update([make_face(120)], 10.0)
    assert [number for number, _ in tracker.visible_faces()] == [1]
    tracker.update([make_face(300)], 20.0)
    assert [number for number, _ in tracker.visible_faces()] == [2]


def test_a_face_of_which_only_four_frames_exist_is_reported() -> None:
    tracker = Tracker(ReportingSettings())
    for tick in range(4):
        assert tracker.update([make_face(120 * tick)], tick / 10) == []
    (summary,) = tracker.finish()
    assert (summary.track, summary.frames) == (1, 4)


def test_a_face_that_flickers_is_counted_and_not_reported() -> None:
    flickers: list[None] = []
    tracker = Tracker(ReportingSettings(interval_s=1.0, min_frames=3), on_flicker=lambda: flickers.append(None))
    tracker.update([make_face(0)], 0.0)
    tracker.update([make_face(0)], 0.1)
    assert tracker.update([], 1.0) == []
    assert flickers == []
    assert tracker.update([], 1.4) == []
    assert len(flickers) == 1
    assert tracker.finish() == []
    assert len(flickers) == 1


def test_a_face_that_was_seen_in_enough_frames_does_not_flicker() -> None:
    flickers: list[None] = []
    tracker = Tracker(ReportingSettings(interval_s=0.5, min_frames=3), on_flicker=lambda: flickers.append(None))
    for tick in range(7):  # the second interval has one frame
        tracker.update([make_face(0)], tick / 10)
    tracker.finish()
    assert flickers == []


def test_the_rest_is_reported_when_the_capture_ends() -> None:
    tracker = Tracker(ReportingSettings(interval_s=10.0))
    for tick in range(5):
        assert tracker.update([make_face(tick)], tick / 10) == []
    (summary,) = tracker.finish()
    assert summary.frames == 5
    assert tracker.finish() == []
