"""Formats recognized by their first bytes: files that OpenCV writes, and the first bytes of those that it does not."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.media.file_format import HEAD_BYTES, recognize

IMAGE = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)


@pytest.mark.parametrize(
    ("suffix", "name"),
    [
        (".jpg", "JPEG"),
        (".png", "PNG"),
        (".bmp", "BMP"),
        (".webp", "WebP"),
        (".tiff", "TIFF"),
        (".jp2", "JPEG 2000"),
        (".ppm", "Netpbm"),
        (".sr", "Sun raster"),
        (".hdr", "Radiance HDR"),
    ],
)
def test_an_image_that_opencv_writes_is_recognized(suffix: str, name: str) -> None:
    is_encoded, data = cv2.imencode(suffix, IMAGE)
    assert is_encoded
    file_format = recognize(data.tobytes()[:HEAD_BYTES])
    assert file_format is not None
    assert (file_format.name, file_format.kind, file_format.hint) == (name, "image", "")


@pytest.mark.parametrize(
    ("name", "fourcc", "format_name"),
    [("a.mp4", "mp4v", "MP4"), ("a.mov", "mp4v", "MP4"), ("a.avi", "MJPG", "AVI"), ("a.mkv", "MJPG", "Matroska")],
)
def test_a_video_that_opencv_writes_is_recognized(tmp_path: Path, name: str, fourcc: str, format_name: str) -> None:
    writer = cv2.VideoWriter(str(tmp_path / name), cv2.VideoWriter.fourcc(*fourcc), 10, (64, 64))
    writer.write(IMAGE)
    writer.release()
    file_format = recognize((tmp_path / name).read_bytes()[:HEAD_BYTES])
    assert file_format is not None
    assert (file_format.name, file_format.kind) == (format_name, "video")


@pytest.mark.parametrize(
    ("head", "name", "kind"),
    [
        (b"GIF89a\x40\0\x40\0", "GIF", "image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC", "image"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC", "image"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF", "image"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "MP4", "video"),
        (b"\0\0\x10\0moov\0\0\0\x6cmvhd", "MP4", "video"),
        (b"\0\0\0\x01\x27\x64\0\x28", "H.264 or H.265", "video"),
        ((b"\x47" + bytes(187)) * 3, "MPEG-TS", "video"),
        ((bytes(4) + b"\x47" + bytes(187)) * 3, "MPEG-TS", "video"),
        (b"\0\0\x01\xba\x44\0\x04\0", "MPEG", "video"),
        (b"OggS\0\x02", "Ogg", "video"),
    ],
)
def test_other_formats_are_recognized_by_their_first_bytes(head: bytes, name: str, kind: str) -> None:
    file_format = recognize(head)
    assert file_format is not None
    assert (file_format.name, file_format.kind) == (name, kind)


@pytest.mark.parametrize(
    "head",
    [
        *(b"", b"x", b"notes about a video", b"BMW, a car\n" * 9, b"P5 is a part of the plan", b"GIF", b"%PDF-1.7"),
        *(b"RIFF\x24\0\0\0WAVEfmt ", b"PK\x03\x04", b"#EXTM3U\n", b"ID3\x04", b"G" * 3, bytes(64)),
    ],
)
def test_what_is_neither_an_image_nor_a_video_is_not_recognized(head: bytes) -> None:
    assert recognize(head) is None
