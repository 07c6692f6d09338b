"""Times of a video's frames."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.edge.camera.video_file import VideoFile, increasing_times
from mien.errors import CameraError


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A second at 30 frames a second."""
    path = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30.0, (64, 48))
    for number in range(30):
        writer.write(np.full((48, 64, 3), number * 8, np.uint8))
    writer.release()
    return path


@pytest.mark.parametrize(
    ("timestamps_s", "expected_s"),
    [
        ([0, 0.1, 0.2, 5.0, 5.1], [0, 0.1, 0.2, 5.0, 5.1]),  # as they are
        ([0, 0, 0, 0], [0, 0.1, 0.2, 0.3]),  # without timestamps
        ([0.4, 0.5, 0.6], [0.4, 0.5, 0.6]),  # sound began before the first frame
        ([0, 0.1, 0.3, 0.2, 0.4, 0.5], [0, 0.1, 0.3, 0.4, 0.5, 0.6]),  # out of order
        ([0, 0.1, 9.0, 0, 0.1, 0.2], [0, 0.1, 9.0, 9.1, 9.2, 9.3]),  # recordings that were joined
    ],
)
def test_times_increase_whatever_the_timestamps(timestamps_s: list[float], expected_s: list[float]) -> None:
    assert list(increasing_times(timestamps_s, 10.0)) == pytest.approx(expected_s)


@pytest.mark.parametrize(
    ("frames_per_second", "count"), [(1000, 30), (30, 30), (29.97, 30), (20, 20), (10, 10), (1, 1)]
)
def test_a_lower_rate_skips_frames_evenly(video: Path, frames_per_second: float, count: int) -> None:
    with VideoFile(video) as file:
        times_s = [at_s for at_s, _ in file.images(frames_per_second)]
        assert file.frames_passed == file.frame_count == 30
    assert len(times_s) == count
    assert np.allclose(np.diff(times_s), 1 / min(30, frames_per_second), atol=0.03)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), (b"\0\0\0\x18ftypisom\0\0\0\0mp42isom", "its index .moov. is missing")],
)
def test_a_video_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(CameraError, match=message), VideoFile(tmp_path / "a.mp4") as file:
        list(file.images(10))
