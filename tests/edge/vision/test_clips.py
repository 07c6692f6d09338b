"""People keep their tracks in drawn clips: walkers, crossings, gaps, jitter, false faces, several frame rates."""

import pytest
from parts.face_clips import CLIPS, Clip, play

SEEDS = range(4)


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.name)
def test_everybody_keeps_his_track_and_gives_a_row(clip: Clip) -> None:
    for seed in SEEDS:
        outcome = play(clip, seed)
        assert (outcome.swaps, outcome.breaks, outcome.revivals, outcome.missed_walkers) == (0, 0, 0, 0), seed
        assert outcome.tracks_of_people.keys() == set(range(len(clip.walks)))


def test_the_clips_have_walkers_of_whom_there_are_only_four_or_five_frames() -> None:
    shortest = [
        sum(bool(faces) for _, faces in clip.frames(seed))
        for clip in CLIPS
        if clip.name.startswith("a walker at 2.0 m/s, 120 px, 10 fps")
        for seed in SEEDS
    ]
    assert set(shortest) <= {4, 5}
    assert shortest


def test_somebody_who_was_gone_for_longer_is_a_new_track() -> None:
    clips = {clip.name: clip for clip in CLIPS}
    assert len(play(clips["gone for 1 s at 0.2 m/s: kept"], 0).tracks_of_people[0]) == 1
    assert len(play(clips["gone for 2 s at 0.2 m/s: new"], 0).tracks_of_people[0]) == 2
