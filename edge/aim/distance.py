"""How much closer a camera must be, in words: a face is twice as large at half the distance."""

import math

FACE_M = 0.16
"""Width of an adult's face; people differ by a tenth."""
FRACTIONS = {
    0.1: "a tenth", 0.2: "a fifth", 0.25: "a quarter", 1 / 3: "a third", 0.5: "half", 2 / 3: "two thirds",
    0.75: "three quarters",
}  # fmt: skip
STEP_M = 0.1


def how_much_closer(side_px: float, needed_px: float, *, width_px: int, view_degrees: float | None) -> str:
    """How much closer a face must be that is smaller than needed, rounded up, as in "half a metre closer".

    In metres if the camera's horizontal field of view is known, otherwise as a fraction of the distance.
    """
    share = 1 - side_px / needed_px
    if view_degrees is None:
        words = next((words for fraction, words in FRACTIONS.items() if share <= fraction + 1e-9), "nine tenths")
        return f"{words} of the distance closer"
    distance_m = FACE_M * width_px / (2 * math.tan(math.radians(view_degrees) / 2) * side_px)
    closer_m = math.ceil(distance_m * share / STEP_M - 1e-9) * STEP_M
    words = {0.5: "half a metre", 1.0: "a metre"}.get(round(closer_m, 1), f"{closer_m:.1f} metres")
    return f"{words} closer"
