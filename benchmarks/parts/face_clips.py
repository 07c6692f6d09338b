"""Drawn sequences of boxes with the person in each, to try a tracker on, and what it made of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from mien.edge.settings import ReportingSettings
from mien.edge.vision.tracker import FaceResult, Tracker
from mien.edge.vision.trajectory import LOST_AFTER_S
from mien.face_detection.box import Box
from mien.face_detection.face import Face

WIDTH, HEIGHT = 640, 480
"""Of the frames, in pixels."""
FACE_M = 0.2
"""Side of a face's box: from temple to temple and from hairline to chin, with the detector's margin."""
MIN_DETECTIONS = 4
"""Of a person who has to give a row within a capture."""
COVERED_IOU = 0.2
"""From this overlap on, the face that is further away is not detected."""
TURN_S = 0.6
"""From walking one way to walking the other way."""
UNCLASSIFIABLE = np.full(7, 1 / 7, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How one person's face moves through the frame; lengths in sides of the face, or pixels where it says so."""

    side_px: float
    start_px: tuple[float, float]
    """The center at time zero."""
    speed_m_s: float = 0.0
    """To the right; negative: to the left."""
    growth_per_s: float = 1.0
    """Factor of the size; above 1 the person approaches."""
    turns_after_s: float = float("inf")
    """Turns back then, within `TURN_S`."""
    enters_s: float = 0.0
    absent_s: tuple[float, float] = (0.0, 0.0)
    """From when to when the face is turned away or covered."""
    jitter: float = 0.03
    """Standard deviation of position and size, in sides."""
    missed: float = 0.0
    """Fraction of frames in which the detector misses the face."""

    def at(self, time_s: float) -> tuple[float, float, float] | None:
        """Center and side in pixels, without jitter; None if not in the frame."""
        if time_s < self.enters_s or self.absent_s[0] <= time_s < self.absent_s[1]:
            return None
        elapsed_s = time_s - self.enters_s
        turning_s = min(max(0.0, elapsed_s - self.turns_after_s), TURN_S)
        back_s = max(0.0, elapsed_s - self.turns_after_s - TURN_S)
        walked_s = min(elapsed_s, self.turns_after_s) + turning_s - turning_s**2 / TURN_S - back_s
        x = self.start_px[0] + self.speed_m_s / FACE_M * self.side_px * walked_s
        side = self.side_px * self.growth_per_s**elapsed_s
        is_inside = side / 2 <= x <= WIDTH - side / 2 and side <= HEIGHT
        return (x, self.start_px[1], side) if is_inside else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A few people in front of one camera."""

    name: str
    walks: tuple[Walk, ...]
    frames_per_second: float = 10.0
    duration_s: float = 8.0
    false_faces: float = 0.0
    """Fraction of frames with one false face beside a true one."""

    def frames(self, seed: int) -> Iterator[tuple[float, list[tuple[int | None, Box]]]]:
        """Time and detected boxes of each frame, largest first, each with its person; None: a false face, or one that
        covers another, which could be either's."""
        random = np.random.default_rng(seed)
        offset_s = random.uniform(0, 1 / self.frames_per_second)  # where a walker is in his first frame
        for number in range(round(self.duration_s * self.frames_per_second)):
            time_s = offset_s + number / self.frames_per_second
            visible: list[tuple[int | None, Box]] = []
            places = [(walk.at(time_s), person, walk) for person, walk in enumerate(self.walks)]
            for place, person, walk in sorted(places, key=lambda entry: entry[0][2] if entry[0] else 0, reverse=True):
                if place is None or random.random() < walk.missed:
                    continue
                box = _draw(random, place, walk.jitter)
                covering = [index for index, (_, other) in enumerate(visible) if box.iou(other) >= COVERED_IOU]
                if not covering:
                    visible.append((person, box))
                for index in covering:
                    visible[index] = None, visible[index][1]
            if visible and random.random() < self.false_faces:
                near = visible[random.integers(len(visible))][1]
                angle, distance = random.uniform(0, 2 * np.pi), random.uniform(0.7, 1.5) * near.side
                x, y = near.left + near.side / 2, near.top + near.side / 2
                place = (x + distance * np.cos(angle), y + distance * np.sin(angle), near.side * 0.9)
                visible.append((None, _draw(random, place, 0.1)))
            visible.sort(key=lambda entry: entry[1].side, reverse=True)
            yield time_s, visible


def _draw(random: np.random.Generator, place: tuple[float, float, float], jitter: float) -> Box:
    x, y, side = place
    x, y = random.normal((x, y), jitter * side)
    side *= float(np.exp(random.normal(0, jitter)))
    return Box(round(x - side / 2), round(y - side / 2), max(1, round(side)))


def _walkers(frames_per_second: float, *, speeds_m_s: tuple[float, ...] = (1.1, 1.5, 2.0)) -> Iterator[Clip]:
    """One person who crosses the frame, for each speed and size: down to four frames in all."""
    for speed_m_s in speeds_m_s:
        for side_px in (30.0, 60.0, 90.0, 120.0):
            walk = Walk(side_px=side_px, start_px=(side_px / 2, 200), speed_m_s=speed_m_s)
            name = f"a walker at {speed_m_s} m/s, {side_px:.0f} px, {frames_per_second:g} fps"
            yield Clip(name=name, walks=(walk,), frames_per_second=frames_per_second)


def _crossings() -> Iterator[Clip]:
    """Two people who pass each other, at one height: the smaller is covered for a while."""
    for left_side_px, right_side_px in ((90.0, 60.0), (60.0, 90.0), (70.0, 65.0), (60.0, 60.0)):
        for left_m_s, right_m_s in ((0.5, -0.5), (1.2, -0.8), (0.4, -1.5), (1.5, -1.5)):
            walks = (
                Walk(side_px=left_side_px, start_px=(left_side_px, 200), speed_m_s=left_m_s),
                Walk(side_px=right_side_px, start_px=(WIDTH - right_side_px, 205), speed_m_s=right_m_s),
            )
            name = f"{left_side_px:.0f} and {right_side_px:.0f} px cross at {left_m_s} and {-right_m_s} m/s"
            yield Clip(name=name, walks=walks, duration_s=10)
    for passing_m_s in (0.5, 1.0, 2.0):
        walks = (
            Walk(side_px=80, start_px=(320, 200)),
            Walk(side_px=60, start_px=(30, 190), speed_m_s=passing_m_s, enters_s=1.0),
        )
        yield Clip(name=f"one passes behind a seated one at {passing_m_s} m/s", walks=walks)


def _gaps() -> Iterator[Clip]:
    for speed_m_s in (0.0, 0.2, 0.5):
        for gap_s, name in ((1.0, "kept"), (2.0, "new")):
            walk = Walk(side_px=60, start_px=(60, 200), speed_m_s=speed_m_s, absent_s=(2.0, 2.0 + gap_s))
            yield Clip(name=f"gone for {gap_s:g} s at {speed_m_s} m/s: {name}", walks=(walk,), duration_s=5)


def _difficulties() -> Iterator[Clip]:
    for side_px in (30.0, 80.0):
        neighbors = tuple(
            Walk(side_px=side_px, start_px=(100 + 2.3 * side_px * place, 200), jitter=0.08, missed=0.2)
            for place in range(3)
        )
        yield Clip(name=f"three side by side, jittery, {side_px:.0f} px", walks=neighbors)
    seated = Walk(side_px=70, start_px=(320, 200))
    walker = Walk(side_px=70, start_px=(35, 200), speed_m_s=1.5)
    yield Clip(name="false faces near a seated face", walks=(seated,), false_faces=0.3)
    yield Clip(name="false faces near a walker", walks=(walker,), false_faces=0.1)
    yield Clip(name="one approaches", walks=(Walk(side_px=30, start_px=(320, 200), growth_per_s=1.7),), duration_s=4)
    back = Walk(side_px=60, start_px=(60, 200), speed_m_s=1.2, turns_after_s=1.2)
    yield Clip(name="one turns back", walks=(back,))
    row = tuple(Walk(side_px=60, start_px=(30, 200), speed_m_s=1.2, enters_s=enters_s) for enters_s in (0.0, 0.3, 0.6))
    yield Clip(name="three one behind another", walks=row)
    yield Clip(name="one frame every 4 s", walks=(seated,), frames_per_second=0.25, duration_s=60)


CLIPS = (
    *_walkers(10),
    *_walkers(5, speeds_m_s=(1.1,)),
    *_walkers(15),
    *_walkers(30),
    *_crossings(),
    *_gaps(),
    *_difficulties(),
)


@dataclass(slots=True)
class Outcome:
    """What a tracker made of a clip."""

    swaps: int = 0
    """A person got the track of another."""
    breaks: int = 0
    """A person got a new track, though never out of sight for longer than a tracker has to bridge."""
    revivals: int = 0
    """A person who had been gone for longer got the same track: nobody is to be recognized."""
    missed_walkers: int = 0
    """A person with enough detections gave no row."""
    tracks_of_people: dict[int, list[int]] = field(default_factory=dict)
    """The tracks of each person, in order."""


def play(clip: Clip, seed: int) -> Outcome:
    """Run mien's tracker over a clip."""
    outcome = Outcome()
    tracker = Tracker(ReportingSettings(interval_s=max(1.0, 5 / clip.frames_per_second)))
    last_seen_s: dict[int, float] = {}
    detections: dict[int, int] = {}
    owners: dict[int, int] = {}
    rows: set[int] = set()
    for time_s, detected in clip.frames(seed):
        results = [_result(box) for _, box in detected]
        people = {id(result): person for result, (person, _) in zip(results, detected, strict=True)}
        rows |= {summary.track for summary in tracker.update(results, time_s)}
        for track, result in tracker.visible_faces():
            person = people[id(result)]
            if person is None:
                continue
            detections[person] = detections.get(person, 0) + 1
            tracks = outcome.tracks_of_people.setdefault(person, [])
            gone_s = time_s - last_seen_s.get(person, time_s)
            if owners.setdefault(track, person) != person:
                outcome.swaps += 1
                owners[track] = person
            elif tracks and tracks[-1] != track and gone_s <= LOST_AFTER_S:
                outcome.breaks += 1
            elif tracks and tracks[-1] == track and gone_s > LOST_AFTER_S + 1 / clip.frames_per_second:
                outcome.revivals += 1
            if not tracks or tracks[-1] != track:
                tracks.append(track)
            last_seen_s[person] = time_s
    rows |= {summary.track for summary in tracker.finish()}
    for person, count in detections.items():
        if count >= MIN_DETECTIONS and not rows & set(outcome.tracks_of_people[person]):
            outcome.missed_walkers += 1
    return outcome


def _result(box: Box) -> FaceResult:
    face = Face(box=box, score=1.0)
    return FaceResult(face=face, box_fractions=(0.1, 0.1, 0.2, 0.2), scores=UNCLASSIFIABLE, latency_ms=30)
