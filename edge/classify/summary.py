"""The last line of `mien classify`: what was read and found, and what was left out, by reason."""

from collections.abc import Mapping

REASONS = {
    "small": "too small",
    "blurred": "too blurred",
    "dark": "too dark",
    "turned": "turned too far",
    "cut_off": "cut off by the image's edge",
    "covered": "covered",
    "flicker": "seen too briefly",
}
"""In words, the reasons why a face has no prediction."""


def summarize(*, files: int, files_left_out: int, frames: int, reported: int, left_out: Mapping[str, int]) -> str:
    """One line; `reported` and `left_out`, by reason, count a face in every frame that shows it."""
    faces = reported + sum(left_out.values())
    line = f"files {files}, frames {frames}, faces {faces}, reported {reported}"
    reasons = [f"faces {REASONS.get(reason, reason)} {count}" for reason, count in left_out.items() if count]
    if files_left_out:
        reasons.insert(0, f"files {files_left_out}")
    return f"{line}; left out: {', '.join(reasons)}" if reasons else line
