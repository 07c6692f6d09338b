"""An image's boot partition is found by either kind of partition table; anything else is refused with its cause."""

import bz2
import gzip
import io
import lzma
import shutil
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from sd_cards import FIRST_SECTOR, TRIXIE_FILES, create_sd_card_image

from mien.deploy.device.disk_image import Extent, find_boot_partition
from mien.errors import DataError, MienError, UsageError

needs_mtools = pytest.mark.skipif(shutil.which("mformat") is None, reason="mtools is not installed: make system")
ZSTD_FRAME = bytes.fromhex("28b52ffd0400010000" + "61" + "00000000")
"""A frame's beginning (RFC 8878, 3.1.1)."""


@needs_mtools
@pytest.mark.parametrize("has_gpt", [False, True])
def test_both_kinds_of_partition_table_lead_to_the_boot_partition(tmp_path: Path, has_gpt: bool) -> None:
    image = create_sd_card_image(tmp_path / "raspios.img", TRIXIE_FILES, mebibytes=40, has_gpt=has_gpt)
    assert find_boot_partition(image) == Extent(FIRST_SECTOR * 512, 40 * 1024 * 1024)


@needs_mtools
@pytest.mark.parametrize("has_gpt", [False, True])
def test_an_image_that_was_cut_off_is_refused(tmp_path: Path, has_gpt: bool) -> None:
    image = create_sd_card_image(tmp_path / "cut.img", TRIXIE_FILES, mebibytes=40, has_gpt=has_gpt)
    with image.open("rb+") as file:
        file.truncate(20_000_000)
    with pytest.raises(DataError, match="ends within its boot partition: download it again"):
        find_boot_partition(image)


@needs_mtools
@pytest.mark.parametrize(
    ("offset", "content", "message"),
    [
        (512, b"no table", r"damaged partition table \(GPT\): download it again"),
        (512 + 80, struct.pack("<I", 7), r"damaged partition table \(GPT\): download it again"),
        (FIRST_SECTOR * 512, bytes(512), "no boot partition with a FAT file system"),
        (1024, bytes(1024), "no boot partition with a FAT file system"),
    ],
)
def test_a_damaged_gpt_is_named(tmp_path: Path, offset: int, content: bytes, message: str) -> None:
    image = create_sd_card_image(tmp_path / "raspios.img", TRIXIE_FILES, mebibytes=40, has_gpt=True)
    with image.open("rb+") as file:
        file.seek(offset)
        file.write(content)
    with pytest.raises(DataError, match=message):
        find_boot_partition(image)


def zipped(content: bytes) -> bytes:
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as archive:
        archive.writestr("raspios.img", content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "format_name", "command"),
    [
        (lzma.compress(bytes(1000)), "xz", "xz -dc"),
        (gzip.compress(bytes(1000), mtime=0), "gzip", "gzip -dc"),
        (bz2.compress(bytes(1000)), "bzip2", "bzip2 -dc"),
        (zipped(bytes(1000)), "zip", "unzip -p"),
        (ZSTD_FRAME, "zstd", "zstd -dc"),
    ],
)
@pytest.mark.parametrize("name", ["raspios.img", "raspios.img.xz", "raspios"])
def test_a_compressed_image_is_recognized_by_its_content(
    tmp_path: Path, name: str, content: bytes, format_name: str, command: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as caught:
        find_boot_partition(tmp_path / name)
    assert f"is compressed ({format_name}): unpack it first, for example `{command} {name} >" in str(caught.value)


def test_an_image_is_one_whatever_its_ending(tmp_path: Path) -> None:
    entry = struct.pack("<B3sB3sII", 0, b"", 0x0E, b"", 1, 2)
    (tmp_path / "raspios.zip").write_bytes(bytes(446) + entry + bytes(48) + b"\x55\xaa" + bytes(2048))
    assert find_boot_partition(tmp_path / "raspios.zip") == Extent(512, 1024)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"QFI\xfb\0\0\0\3", UsageError, r"the disk of a virtual machine \(qcow2\): convert it first"),
        (bytes(32769) + b"CD001", DataError, "the image of a CD"),
        (bytes(82) + b"FAT32   " + bytes(420) + b"\x55\xaa", DataError, "the image of one partition"),
        (bytes(510) + b"\x55\xaa", DataError, "is it an image of Raspberry Pi OS"),
    ],
)
def test_other_files_are_refused_by_their_cause(
    tmp_path: Path, content: bytes, error: type[MienError], message: str
) -> None:
    (tmp_path / "raspios.img").write_bytes(content)
    with pytest.raises(error, match=message):
        find_boot_partition(tmp_path / "raspios.img")


def test_a_table_that_claims_more_than_any_disk_has_is_refused(tmp_path: Path) -> None:
    protective = bytes(446) + struct.pack("<B3sB3sII", 0, b"", 0xEE, b"", 1, 9) + bytes(48) + b"\x55\xaa"
    header = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, 1, 9, 2, 9, b"", 2, 1 << 31, 1 << 31, 0)
    header = header[:16] + struct.pack("<I", zlib.crc32(header)) + header[20:]
    (tmp_path / "huge.img").write_bytes(protective + header)
    with pytest.raises(DataError, match="damaged partition table"):
        find_boot_partition(tmp_path / "huge.img")
