"""Faults that the demo camera shows at set times, for trying what mien does when a camera fails."""

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.settings.quantities import Seconds

FaultName = Literal[
    "unplugged", "stalled", "black", "green", "frozen", "gray", "exposure", "resized", "time_jump"
]  # fmt: skip
StagedFault = tuple[Seconds, Seconds, FaultName]
"""Its start, its end, and what happens meanwhile."""
GREEN = (0, 135, 0)
"""BGR of YUV (0, 0, 0), by ITU-R BT.601."""
EXPOSURE_PERIOD_S = 1.0
EXPOSURE_GAINS = (1.5, 0.5)


def fault_at(faults: Sequence[StagedFault], now_s: float) -> FaultName | None:
    """What happens at a time; the first of several."""
    return next((name for start_s, end_s, name in faults if start_s <= now_s < end_s), None)


def apply_fault(
    fault: FaultName | None, image: NDArray[np.uint8], previous: NDArray[np.uint8], now_s: float
) -> NDArray[np.uint8]:
    """A (height, width, 3) BGR image as a camera with this fault delivers it after the image `previous`."""
    match fault:
        case "black":
            return np.zeros_like(image)
        case "green":
            return np.full_like(image, GREEN)
        case "frozen":
            return previous
        case "gray":
            gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
            return cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)
        case "exposure":
            gain = EXPOSURE_GAINS[int(now_s / EXPOSURE_PERIOD_S * 2) % 2]
            return cv2.convertScaleAbs(image, alpha=gain).astype(np.uint8, copy=False)
        case "resized":
            return np.ascontiguousarray(image[::2, ::2])
    return image
