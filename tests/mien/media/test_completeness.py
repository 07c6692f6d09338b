"""Whether a file has all of its bytes, and how many images are in it."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.media.completeness import count_gif_images, is_motion_jpeg, is_riff_complete, jpeg_end, mp4_flaw

NOISE = np.random.default_rng(1).integers(0, 255, (96, 96, 3), np.uint8)
JPEG = cv2.imencode(".jpg", NOISE)[1].tobytes()


def write_video(path: Path, fourcc: str) -> bytes:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*fourcc), 10, (96, 96))
    for _ in range(5):
        writer.write(NOISE)
    writer.release()
    return path.read_bytes()


def flaw_of(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with path.open("rb") as file:
        return mp4_flaw(file)


def test_a_jpeg_ends_at_its_own_end_marker() -> None:
    assert jpeg_end(JPEG) == len(JPEG)
    assert jpeg_end(JPEG + b"more") == len(JPEG)
    assert {jpeg_end(JPEG[:length]) for length in range(0, len(JPEG), 97)} == {None}


def test_jpegs_in_a_row_are_a_video_unless_the_first_one_says_that_more_images_follow() -> None:
    assert is_motion_jpeg(JPEG + JPEG[:100])
    assert not is_motion_jpeg(JPEG)
    assert not is_motion_jpeg(JPEG + b"a motion photo's video")
    multi_picture = JPEG[:2] + b"\xff\xe2\0\x08MPF\0\0\0" + JPEG[2:]
    assert not is_motion_jpeg(multi_picture + JPEG)


@pytest.mark.parametrize("count", [1, 4])
def test_the_images_of_a_gif_are_counted(tmp_path: Path, count: int) -> None:
    animation = cv2.Animation()
    animation.frames = [np.roll(NOISE, shift, 1) for shift in range(count)]
    animation.durations = [100] * count
    assert cv2.imwriteanimation(str(tmp_path / "a.gif"), animation)
    data = (tmp_path / "a.gif").read_bytes()
    assert count_gif_images(data) == (count, True)
    assert not count_gif_images(data[:-200])[1]


def test_an_mp4_that_is_cut_off_or_without_an_index_is_told_from_a_whole_one(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.mp4", "mp4v")
    assert flaw_of(tmp_path / "a.mp4", data) == ""
    index = data.index(b"moov") - 4
    assert "its index (moov) is missing" in flaw_of(tmp_path / "a.mp4", data[:index])
    first_box = data.index(b"mdat") - 4
    index_first = data[:first_box] + data[index:] + data[first_box:index]
    assert flaw_of(tmp_path / "a.mp4", index_first) == ""
    assert flaw_of(tmp_path / "a.mp4", index_first[:-1000]) == "is cut off: copy it again"


def test_an_avi_knows_its_length(tmp_path: Path) -> None:
    data = write_video(tmp_path / "a.avi", "MJPG")
    assert is_riff_complete(data[:12], len(data))
    assert not is_riff_complete(data[:12], len(data) - 1000)
