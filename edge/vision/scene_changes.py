"""Finds where a camera's image has changed by more than its own noise, vibration and lighting explain."""

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.face_detection.box import Box

MAX_WIDTH_PX = 640
"""Frames are compared at half their size, or at this width if that is smaller: noise averages out, and a face across
the room still covers some blocks."""
SMOOTHING = 0.5
"""Weight of the newest frame in the smoothed image: about three frames, in which a blink still shows."""
MATURE_FRAMES = 4
"""Frames until the smoothed image's noise is that of the average."""
NOISE_INTERVAL_S = 1.0
"""Between two measurements of the noise."""
MIN_NOISE_LAG = 3
"""Frames between the images whose difference is the noise: closer ones share their frames."""
BLOCK_PX = 4
"""Side of the blocks that are compared, in pixels of the smoothed image."""
BRIGHTNESS_BINS = 8
"""The noise is measured for each range of brightness, since bright pixels are noisier in light and darker ones in
shadow."""
MIN_BLOCKS = 50
"""Of one brightness, to measure its noise; with fewer, the noise of the whole image counts."""
MIN_NOISE, MAX_NOISE = 1.0, 16.0
"""Gray levels of the smoothed image. Above the maximum it is a crowd that moves, not the sensor."""
VIBRATION_PX = 0.15
"""Motion by less than this, in pixels of the smoothed image, is that of the camera's mount."""
MAX_BLOCK_RATIO = 6.0
MAX_MEAN_RATIO = 1.7
"""A region has changed if one block, or all blocks on average, differ by more than this multiple of what noise and
vibration explain (mean squares). Measured by benchmarks/phantoms.py."""


class Appearance:
    """A rectangle of the smoothed image, as it looked at one time."""

    __slots__ = ("columns", "image", "rows")

    def __init__(self, image: NDArray[np.float32], rows: slice, columns: slice) -> None:
        self.image = image
        self.rows = rows
        self.columns = columns


class SceneChanges:
    """The frames of one live camera, smoothed, and their noise."""

    def __init__(self) -> None:
        self._smoothed: NDArray[np.float32] | None = None
        self._scale = 1.0
        """From pixels of the frame to those of the smoothed image."""
        self._frames = 0
        self._older: NDArray[np.float32] | None = None
        self._older_frame, self._older_s = 0, 0.0
        self._variance: NDArray[np.float32] | None = None
        """(BRIGHTNESS_BINS,), of the difference of two smoothed images."""

    @property
    def can_compare(self) -> bool:
        """Whether enough frames have arrived since the start to know the noise."""
        return self._variance is not None

    @property
    def is_mature(self) -> bool:
        """Whether enough frames have arrived since the start to remember a region."""
        return self._frames >= MATURE_FRAMES

    def restart(self) -> None:
        """Forget the frames so far: the camera has been off, and its exposure may differ."""
        self._smoothed = self._older = self._variance = None
        self._frames = 0

    def update(self, gray: NDArray[np.uint8], now_s: float) -> bool:
        """Add the next (height, width) frame, which arrived at `now_s`; True if it is the first one of its size."""
        height, width = gray.shape
        scale = min(0.5, MAX_WIDTH_PX / width)
        size = max(BLOCK_PX, round(width * scale)), max(BLOCK_PX, round(height * scale))
        small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
        is_first = self._smoothed is None or self._smoothed.shape != small.shape
        if self._smoothed is None or is_first:
            self.restart()
            self._smoothed = small.astype(np.float32)
        else:
            cv2.accumulateWeighted(small, self._smoothed, SMOOTHING)
        self._scale = scale
        self._frames += 1
        self._measure_noise(self._smoothed, now_s)
        return is_first

    def look(self, box: Box) -> Appearance | None:
        """What is in a box of the frame now; None if that is too small to compare, or too early."""
        if self._smoothed is None or not self.is_mature:
            return None
        height, width = self._smoothed.shape
        left, top = max(0, round(box.left * self._scale)), max(0, round(box.top * self._scale))
        side = round(box.side * self._scale)
        columns = min(side, width - left) // BLOCK_PX * BLOCK_PX
        rows = min(side, height - top) // BLOCK_PX * BLOCK_PX
        if columns <= 0 or rows <= 0:
            return None
        where = slice(top, top + rows), slice(left, left + columns)
        return Appearance(self._smoothed[where].copy(), *where)

    def has_changed_lately(self, box: Box) -> bool:
        """Whether a box of the frame looked different about a second ago; False if that is not known."""
        now = self.look(box)
        if now is None or self._older is None:
            return False
        return self.has_changed(Appearance(self._older[now.rows, now.columns], now.rows, now.columns))

    def has_changed(self, before: Appearance) -> bool:
        """Whether the image differs there from what it was; False as long as the noise is not known.

        A change of brightness or contrast of the whole region, such as by the camera's exposure or a lamp, is none.
        """
        if self._smoothed is None or self._variance is None:
            return False
        now = self._smoothed[before.rows, before.columns]
        if now.shape != before.image.shape:
            return True
        variance_at = np.repeat(self._variance, 256 // BRIGHTNESS_BINS)
        expected = cv2.LUT(now.astype(np.uint8), variance_at).astype(np.float32, copy=False)
        for dx, dy in ((1, 0), (0, 1)):
            cv2.accumulateSquare(cv2.Sobel(now, cv2.CV_32F, dx, dy, ksize=3, scale=VIBRATION_PX / 8), expected)
        ratios = _block_means(_squared_differences(before.image, now)) / _block_means(expected)
        return bool(ratios.max() > MAX_BLOCK_RATIO or ratios.mean() > MAX_MEAN_RATIO)

    def _measure_noise(self, smoothed: NDArray[np.float32], now_s: float) -> None:
        if self._older is None:
            if not self.is_mature:
                return
        elif self._frames - self._older_frame < MIN_NOISE_LAG or (
            self.can_compare and now_s - self._older_s < NOISE_INTERVAL_S
        ):
            return
        else:
            self._variance = _measure_variance(self._older, smoothed)
        self._older, self._older_frame, self._older_s = smoothed.copy(), self._frames, now_s


def _measure_variance(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """(BRIGHTNESS_BINS,): the median over the blocks of each brightness; most of the image does not move.

    Blocks that do not differ at all are masked or clipped, and say nothing about the noise elsewhere.
    """
    height, width = (length // BLOCK_PX * BLOCK_PX for length in one.shape)
    one, other = one[:height, :width], other[:height, :width]
    variances = _block_means(_squared_differences(one, other))
    bins = _block_means(other).astype(np.uint8) // (256 // BRIGHTNESS_BINS)
    is_noisy = variances > 1e-3
    overall = _median(variances[is_noisy]) if is_noisy.any() else 0.0
    result = np.full(BRIGHTNESS_BINS, overall, np.float32)
    for number in range(BRIGHTNESS_BINS):
        of_bin = variances[is_noisy & (bins == number)]
        if len(of_bin) >= MIN_BLOCKS:
            result[number] = _median(of_bin)
    return np.clip(result, MIN_NOISE**2, MAX_NOISE**2)


def _squared_differences(image: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each pixel, once the image has the gain and offset that bring it nearest to the target, by least squares."""
    means, deviations = cv2.meanStdDev(image)
    mean, power, target_mean = float(means[0, 0]), float(deviations[0, 0]) ** 2, cv2.mean(target)[0]
    covariance = cv2.mean(cv2.multiply(image, target))[0] - mean * target_mean
    gain = min(2.0, max(0.5, covariance / power)) if power > 1.0 else 1.0
    differences = cv2.addWeighted(target, 1.0, image, -gain, gain * mean - target_mean)
    return cv2.multiply(differences, differences).astype(np.float32, copy=False)


def _block_means(image: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = image.shape
    size = width // BLOCK_PX, height // BLOCK_PX
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)


def _median(values: NDArray[np.float32]) -> float:
    """The upper one of two; in a fifth of the time of NumPy's median."""
    middle = values.size // 2
    return float(np.partition(values, middle)[middle])
