"""An image file of an SD card: where its boot partition lies, or what the file is instead."""

import shlex
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mien.errors import DataError, UsageError

SECTOR_BYTES = 512
BOOT_SIGNATURE = b"\x55\xaa"
"""The last two bytes of a master boot record, and of a FAT partition's first sector."""
MBR_OFFSET, MBR_ENTRY_BYTES, MBR_ENTRIES = 446, 16, 4
FAT_TYPES = {0x06, 0x0B, 0x0C, 0x0E}
"""Partition types in a master boot record: FAT16 and FAT32, by CHS and by LBA."""
PROTECTIVE_TYPE = 0xEE
"""In the master boot record of a disk with a GUID partition table."""
GPT_SIGNATURE = b"EFI PART"
GPT_HEADER_BYTES = 92
GPT_TABLE_FIELDS = ((72, 8), (80, 4), (84, 4))
"""Offset and size in the header: the table's first sector, its number of entries, the size of each."""
MAX_GPT_TABLE_BYTES = 1 << 20
"""64 times what every program writes; a larger one is damaged."""
MAX_SECTORS = 1 << 40
"""More than any disk has."""
GPT_BOOT_TYPES = {
    uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b").bytes_le,  # EFI system partition
    uuid.UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7").bytes_le,  # basic data, which is FAT, too
}
FAT_LABELS = ((54, b"FAT"), (82, b"FAT32"))
"""Offset and beginning of the file system's name in the first sector of FAT16 and FAT32."""
COMPRESSED = {
    b"\xfd7zXZ": ("xz", "xz -dc"),
    b"\x1f\x8b": ("gzip", "gzip -dc"),
    b"\x28\xb5\x2f\xfd": ("zstd", "zstd -dc"),
    b"PK\x03\x04": ("zip", "unzip -p"),
    b"BZh": ("bzip2", "bzip2 -dc"),
    b"7z\xbc\xaf\x27\x1c": ("7z", "7z x -so"),
}
"""The first bytes of compressed files: the format, and the command that writes the content to standard output."""
VIRTUAL_DISKS = {b"QFI\xfb": "qcow2", b"KDMV": "VMDK", b"vhdxfile": "VHDX", b"conectix": "VHD"}
"""The first bytes of virtual machines' disks."""
ISO_OFFSET, ISO_SIGNATURE = 32769, b"CD001"
"""ISO 9660, 8.1."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a partition lies in its image."""

    begin: int
    """In bytes from the beginning of the image."""
    length: int
    """In bytes."""


def find_boot_partition(image: Path) -> Extent:
    """The boot partition by the image's partition table, of the old kind (MBR) or the new (GPT).

    UsageError if the file is something else that has to be changed first, such as a compressed image; DataError if it
    has no boot partition or ends within it.
    """
    try:
        with image.open("rb") as file:
            extent = _find(image, file)
            size = image.stat().st_size
    except OSError as error:
        raise DataError(f"{image} cannot be read ({error.strerror}): check its permissions and its disk") from error
    if extent.begin + extent.length > size:
        raise DataError(f"{image} ends within its boot partition: download it again")
    return extent


def _find(image: Path, file: BinaryIO) -> Extent:
    head = file.read(SECTOR_BYTES)
    _refuse_packed(image, head)
    if head[-2:] == BOOT_SIGNATURE and not _is_fat(head):
        entries = list(_mbr_entries(head))
        if extent := next((extent for kind, extent in entries if kind in FAT_TYPES), None):
            return extent
        if PROTECTIVE_TYPE in (kind for kind, _ in entries):
            return _find_in_gpt(image, file)
    raise DataError(f"{image} has no boot partition: {_explain(file, head)}")


def _refuse_packed(image: Path, head: bytes) -> None:
    quoted = shlex.quote(image.name)
    for signature, (name, command) in COMPRESSED.items():
        if head.startswith(signature):
            hint = f"unpack it first, for example `{command} {quoted} > unpacked.img`"
            raise UsageError(f"{image} is compressed ({name}): {hint}")
    for signature, name in VIRTUAL_DISKS.items():
        if head.startswith(signature):
            hint = f"convert it first, for example `qemu-img convert -O raw {quoted} unpacked.img`"
            raise UsageError(f"{image} is the disk of a virtual machine ({name}): {hint}")


def _mbr_entries(head: bytes) -> Iterator[tuple[int, Extent]]:
    """Type and place of each partition in a master boot record."""
    for number in range(MBR_ENTRIES):
        entry = head[MBR_OFFSET + MBR_ENTRY_BYTES * number :][:MBR_ENTRY_BYTES]
        begin, sectors = int.from_bytes(entry[8:12], "little"), int.from_bytes(entry[12:16], "little")
        yield entry[4], Extent(begin * SECTOR_BYTES, sectors * SECTOR_BYTES)


def _find_in_gpt(image: Path, file: BinaryIO) -> Extent:
    """By the GUID partition table (UEFI Specification 2.10, 5.3)."""
    header = file.read(GPT_HEADER_BYTES)
    checked = header[:16] + bytes(4) + header[20:]  # the checksum itself counts as zeros
    if not header.startswith(GPT_SIGNATURE) or zlib.crc32(checked) != int.from_bytes(header[16:20], "little"):
        raise DataError(f"{image} has a damaged partition table (GPT): download it again")
    sector, count, entry_bytes = (int.from_bytes(header[at : at + size], "little") for at, size in GPT_TABLE_FIELDS)
    if count * entry_bytes > MAX_GPT_TABLE_BYTES or sector > MAX_SECTORS:
        raise DataError(f"{image} has a damaged partition table (GPT): download it again")
    file.seek(sector * SECTOR_BYTES)
    for entry in [file.read(entry_bytes) for _ in range(count)]:
        first, last = int.from_bytes(entry[32:40], "little"), int.from_bytes(entry[40:48], "little")
        if entry[:16] in GPT_BOOT_TYPES and first <= last < MAX_SECTORS:
            file.seek(first * SECTOR_BYTES)
            if _is_fat(file.read(SECTOR_BYTES)):
                return Extent(first * SECTOR_BYTES, (last + 1 - first) * SECTOR_BYTES)
    raise DataError(f"{image} has no boot partition with a FAT file system: is it an image of Raspberry Pi OS?")


def _is_fat(sector: bytes) -> bool:
    """Whether it is the first sector of a FAT file system."""
    has_label = any(sector[offset:].startswith(label) for offset, label in FAT_LABELS)
    return sector[-2:] == BOOT_SIGNATURE and has_label


def _explain(file: BinaryIO, head: bytes) -> str:
    if _is_fat(head):
        return "it is the image of one partition, so name the image of the whole SD card"
    file.seek(ISO_OFFSET)
    if file.read(len(ISO_SIGNATURE)) == ISO_SIGNATURE:
        return "it is the image of a CD (ISO), so name an image of Raspberry Pi OS for SD cards"
    return "is it an image of Raspberry Pi OS?"
