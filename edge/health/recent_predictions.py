"""What the device has predicted within the last hour, for its health report."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from mien.emotions import EMOTIONS, Emotion

WINDOW_S = 3600.0
BUCKET_S = 60.0
"""Health is reported once a minute."""


@dataclass(slots=True)
class Bucket:
    """The observations of a minute."""

    start_s: float
    counts: dict[Emotion, int] = field(default_factory=lambda: dict.fromkeys(EMOTIONS, 0))
    confidence: float = 0.0
    """The sum."""


class RecentPredictions:
    """Counts the observations of the last hour by emotion, in bounded memory; safe for several threads."""

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._buckets: deque[Bucket] = deque()

    def record(self, emotion: Emotion, confidence: float) -> None:
        """Count an observation that was made now."""
        now_s = self._now_s()
        with self._lock:
            self._forget_old(now_s)
            if not self._buckets or now_s - self._buckets[-1].start_s >= BUCKET_S:
                self._buckets.append(Bucket(now_s))
            self._buckets[-1].counts[emotion] += 1
            self._buckets[-1].confidence += confidence

    def shares(self) -> tuple[dict[Emotion, float], float] | None:
        """The share of each emotion that was observed, and the mean confidence; None if nothing was observed."""
        with self._lock:
            self._forget_old(self._now_s())
            totals = {emotion: sum(bucket.counts[emotion] for bucket in self._buckets) for emotion in EMOTIONS}
            confidence = sum(bucket.confidence for bucket in self._buckets)
        count = sum(totals.values())
        if not count:
            return None
        shares = {emotion: round(total / count, 4) for emotion, total in totals.items() if total}
        return shares, round(confidence / count, 4)

    def _forget_old(self, now_s: float) -> None:
        while self._buckets and now_s - self._buckets[0].start_s > WINDOW_S:
            self._buckets.popleft()
