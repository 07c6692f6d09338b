"""Where a face was seen last, how fast it moves, and where it is expected next."""

import math

from mien.face_detection.box import Box

LOST_AFTER_S = 1.2
"""A face unseen for longer is gone; one that is covered for a second is still there."""
POSITION_NOISE = 0.08
"""Standard deviation of a detector's box, in sides of the face."""
FIRST_SPEED = 4.5
"""Standard deviation of the speed of a face seen once, in sides a second: a walk; three times that is a run."""
ACCELERATION = 5.0
"""Standard deviation of the acceleration, in sides of the face a second squared: one step stops a walk."""
SLACK, MAX_REACH = 0.5, 5.0
"""In sides of the face: what a nod may add to the expected error, and the limit of all errors together."""
SIZE_NOISE, SIZE_CHANGE_PER_S = 0.35, 0.5
"""How far the size may be from the last one, as a logarithm: between two frames, and more for each second."""
SIZE_SMOOTHING = 0.5
"""Weight of the newest size."""


class Trajectory:
    """The way of one face through the frames: a Kalman filter with constant velocity, as in SORT (Bewley et al., 2016),
    with the same uncertainty in both directions. Lengths are in pixels of the frame, times in seconds.
    """

    def __init__(self, box: Box, now_s: float) -> None:
        self._begin(box, now_s)

    def _begin(self, box: Box, now_s: float) -> None:
        self.last_seen_s = now_s
        self._side = float(box.side)
        self._x, self._y = _center(box)
        self._speed_x = self._speed_y = 0.0
        self._variance = (POSITION_NOISE * box.side) ** 2
        self._covariance = 0.0
        self._speed_variance = (FIRST_SPEED * box.side) ** 2

    def expected_box(self, now_s: float) -> Box:
        """Where the face is at a time, if it moves on as before; may be outside the frame."""
        x, y = self._expected_center(now_s)
        side = max(1, round(self._side))
        return Box(round(x - side / 2), round(y - side / 2), side)

    def reach(self, now_s: float) -> float:
        """How far the center may be from the expected one, in pixels: three standard deviations and some slack.

        Where frames are so far apart that nobody's way can be told, the face must be where it was.
        """
        if now_s - self.last_seen_s > LOST_AFTER_S:
            return SLACK * self._side
        return min(MAX_REACH, SLACK + 3 * self._deviation(now_s) / self._side) * self._side

    def mismatch(self, box: Box, now_s: float) -> float | None:
        """How unlikely the face is at a box now: the negative log-likelihood of position and size; None if the box is
        too far away, or too much larger or smaller, to be the same face."""
        x, y = self._expected_center(now_s)
        center_x, center_y = _center(box)
        distance = math.hypot(center_x - x, center_y - y)
        max_size_change = SIZE_NOISE + SIZE_CHANGE_PER_S * (now_s - self.last_seen_s)
        size_change = abs(math.log(box.side / self._side))
        if distance > self.reach(now_s) or size_change > max_size_change:
            return None
        deviation, size_deviation = self._deviation(now_s), max_size_change / 3
        return (
            (distance / deviation) ** 2 / 2
            + 2 * math.log(deviation)
            + (size_change / size_deviation) ** 2 / 2
            + math.log(size_deviation)
        )

    def add(self, box: Box, now_s: float) -> None:
        """The face is at this box now."""
        elapsed_s = now_s - self.last_seen_s
        if elapsed_s > LOST_AFTER_S:
            self._begin(box, now_s)
            return
        x, y = self._expected_center(now_s)
        variance, covariance, speed_variance = self._expected_variances(now_s)
        total = variance + self._noise_variance()
        gain, speed_gain = variance / total, covariance / total
        center_x, center_y = _center(box)
        error_x, error_y = center_x - x, center_y - y
        self._x, self._y = x + gain * error_x, y + gain * error_y
        self._speed_x += speed_gain * error_x
        self._speed_y += speed_gain * error_y
        self._variance = (1 - gain) * variance
        self._covariance = (1 - gain) * covariance
        self._speed_variance = speed_variance - speed_gain * covariance
        self._side += SIZE_SMOOTHING * (box.side - self._side)
        self.last_seen_s = now_s

    def _expected_center(self, now_s: float) -> tuple[float, float]:
        elapsed_s = now_s - self.last_seen_s
        if elapsed_s > LOST_AFTER_S:
            return self._x, self._y
        return self._x + self._speed_x * elapsed_s, self._y + self._speed_y * elapsed_s

    def _expected_variances(self, now_s: float) -> tuple[float, float, float]:
        """Of the position, of position and speed together, and of the speed."""
        elapsed_s = now_s - self.last_seen_s
        acceleration_variance = (ACCELERATION * self._side) ** 2
        covariance = self._covariance + elapsed_s * self._speed_variance
        return (
            self._variance + elapsed_s * (self._covariance + covariance) + elapsed_s**4 / 4 * acceleration_variance,
            covariance + elapsed_s**3 / 2 * acceleration_variance,
            self._speed_variance + elapsed_s**2 * acceleration_variance,
        )

    def _deviation(self, now_s: float) -> float:
        """Standard deviation of a detected center around the expected one."""
        return math.sqrt(self._expected_variances(now_s)[0] + self._noise_variance())

    def _noise_variance(self) -> float:
        return (POSITION_NOISE * self._side) ** 2


def _center(box: Box) -> tuple[float, float]:
    return box.left + box.side / 2, box.top + box.side / 2
