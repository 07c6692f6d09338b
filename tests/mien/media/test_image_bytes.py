"""Images decoded from bytes: turned, cut off, damaged and foreign ones, without a line on standard error."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mien.media.image_bytes import UnreadableImage, decode_image

GRADIENT = np.tile(np.arange(0, 240, 2).astype(np.uint8), (80, 1))
"""(80, 120): dark on the left, bright on the right."""


def encode(suffix: str, image: NDArray[np.uint8] = GRADIENT, *parameters: int) -> bytes:
    is_encoded, data = cv2.imencode(suffix, image, parameters)
    assert is_encoded
    return data.tobytes()


def with_exif_orientation(jpeg: bytes, orientation: int) -> bytes:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + struct.pack("<HHIHHI", 0x112, 3, 1, orientation, 0, 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def with_thumbnail(jpeg: bytes) -> bytes:
    thumbnail = encode(".jpg", GRADIENT[:16, :16])
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + jpeg[2:]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tiff", ".jp2", ".ppm", ".gif"])
def test_an_image_is_gray_or_bgr_as_asked(suffix: str) -> None:
    data = encode(suffix, cv2.merge([GRADIENT] * 3).astype(np.uint8))
    gray, color = decode_image(data), decode_image(data, color=True)
    assert (gray.shape, color.shape) == ((80, 120), (80, 120, 3))
    assert gray.dtype == color.dtype == np.uint8
    assert np.abs(gray.astype(int) - GRADIENT).mean() < (20 if suffix == ".gif" else 3)  # a GIF has few colors


def test_sixteen_bits_and_transparency_become_eight_bits_and_bgr() -> None:
    deep = encode(".png", GRADIENT.astype(np.uint16) * 257)  # type: ignore[arg-type]
    transparent = encode(".png", cv2.merge([GRADIENT] * 4).astype(np.uint8))
    assert np.abs(decode_image(deep).astype(int) - GRADIENT).max() <= 1
    assert decode_image(transparent, color=True).shape == (80, 120, 3)


def test_a_photo_is_turned_as_its_exif_data_says() -> None:
    turned = decode_image(with_exif_orientation(encode(".jpg"), 6))
    assert turned.shape == (120, 80)
    assert turned[0].mean() < 20 < 200 < turned[-1].mean()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".gif", ".webp"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
def test_an_image_that_is_cut_off_is_named_so(suffix: str, kept: float, capfd: pytest.CaptureFixture[str]) -> None:
    data = encode(suffix, np.random.default_rng(1).integers(0, 255, (200, 200, 3), np.uint8))
    with pytest.raises(UnreadableImage, match=r"^is cut off: copy it again$"):
        decode_image(data[: round(len(data) * kept)])
    assert capfd.readouterr().err == ""


def test_a_progressive_photo_whose_last_scan_is_missing_is_cut_off() -> None:
    data = encode(".jpg", GRADIENT, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    assert decode_image(data).shape == (80, 120)
    with pytest.raises(UnreadableImage, match="is cut off"):
        decode_image(data[: data.rindex(b"\xff\xda")])


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_photo() -> None:
    data = with_thumbnail(encode(".jpg"))
    assert decode_image(data).shape == (80, 120)
    with pytest.raises(UnreadableImage, match="is cut off"):
        decode_image(data[: len(data) // 2 + 300])


def test_bytes_behind_the_end_of_a_photo_do_no_harm() -> None:
    assert decode_image(encode(".jpg") + b"a motion photo's video, for example").shape == (80, 120)


def test_a_photo_with_a_hole_is_damaged(capfd: pytest.CaptureFixture[str]) -> None:
    data = encode(".jpg", np.random.default_rng(1).integers(0, 255, (200, 200, 3), np.uint8))
    with pytest.raises(UnreadableImage, match=r"^is damaged \(Corrupt JPEG data: .*\): copy it again$"):
        decode_image(data[: len(data) // 2] + b"\xff\xd9")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty: copy it again"),
        (b"not an image", "is not an image that OpenCV can read: convert it to JPEG or PNG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is HEIC, which OpenCV cannot read: convert it to JPEG"),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp42isom", r"is a video \(MP4\), not an image"),
        (b"BM" + bytes(12) + b"\x28\0\0\0", "is a damaged BMP, or of a kind that OpenCV cannot read: copy it again"),
        (b"II*\0" + bytes(4), "is a damaged TIFF"),
    ],
)
def test_what_cannot_be_decoded_is_named_with_what_to_do(
    data: bytes, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnreadableImage, match=f"^{reason}"):
        decode_image(data)
    assert capfd.readouterr().err == ""


def test_an_image_that_claims_to_be_huge_is_refused() -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = b"\0\0\0\x0d" + header + struct.pack(">I", zlib.crc32(header))
    end = b"\0\0\0\0IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    with pytest.raises(UnreadableImage, match="convert it to JPEG or PNG"):
        decode_image(b"\x89PNG\r\n\x1a\n" + chunks + end)
