"""The boot partition of a card: mounted somewhere, or inside an image file."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Protocol

from mien.errors import DataError, MissingExtra, UsageError

SECTOR = 512
FAT_TYPES = {0x0B, 0x0C, 0x0E}
"""Of a partition, in the table of a master boot record: FAT32 (CHS and LBA) and FAT16."""
TABLE, ENTRY = 446, 16
RUNNING = (Path("/boot"), Path("/boot/firmware"), Path("/boot/efi"))
"""Where the machine that runs this has its own boot partition."""
SPARE_BYTES = 4_000_000
"""Left free on the partition, for the Pi's own updates of its firmware to begin with."""


class BootPartition(Protocol):
    """Files of a FAT partition, by names relative to it."""

    def read(self, name: str) -> bytes | None:
        """A file's content; None if there is none."""

    def has_room_for(self, size_bytes: int) -> bool:
        """Whether so much fits."""

    def put(self, folder: Path) -> None:
        """Copy a folder's content into it, and to the card itself: files replace files, folders replace folders."""


def open_partition(place: Path) -> BootPartition:
    """The boot partition at a place: a folder that it is mounted at, or an image file. DataError if it is neither."""
    if place.is_dir():
        return MountedPartition(place)
    if not place.exists():
        raise UsageError(f"{place} is not there: name the folder where the card is mounted, or an image file")
    if place.is_block_device():
        raise UsageError(f"{place} is a whole disk, which mien never writes to: name the folder where it is mounted")
    if place.suffix in {".xz", ".zip", ".gz", ".zst"}:
        raise UsageError(f"{place} is compressed: unpack it first (unxz, unzip)")
    return ImagePartition(place)


class MountedPartition:
    """A card in this machine, mounted by it."""

    def __init__(self, folder: Path) -> None:
        """UsageError if this machine itself starts from it. DataError if it is no card: FAT has no links."""
        if folder.resolve() in RUNNING:
            raise UsageError(f"{folder} is what this machine starts from: name the folder where the card is mounted")
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        file = self._folder / name
        self._refuse_links(file)
        return file.read_bytes() if file.is_file() else None

    def has_room_for(self, size_bytes: int) -> bool:
        return shutil.disk_usage(self._folder).free >= size_bytes + SPARE_BYTES

    def put(self, folder: Path) -> None:
        try:
            for entry in sorted(folder.iterdir()):
                target = self._folder / entry.name
                self._refuse_links(target)
                if entry.is_dir():
                    shutil.rmtree(target, ignore_errors=True)
                    shutil.copytree(entry, target, copy_function=shutil.copyfile)
                else:
                    shutil.copyfile(entry, target)
        except OSError as error:
            raise DataError(f"{self._folder} cannot be written ({error}): is it writable, and whole?") from error
        os.sync()  # before the card is taken out

    def _refuse_links(self, file: Path) -> None:
        """A link on what only looks like a card would have something else on this machine read or written."""
        if any(place.is_symlink() for place in (file, file.parent) if place != self._folder):
            raise DataError(f"{file} is a link, which no card of Raspberry Pi OS has: write that to it first")


class ImagePartition:
    """An image of a whole card; mtools reads and writes the partition inside without root."""

    def __init__(self, image: Path) -> None:
        """Find the partition. DataError if there is none."""
        if shutil.which("mcopy") is None:
            raise MissingExtra("image files are written by mtools, which is not here: apt install mtools")
        self._image = image
        with image.open("rb") as file:
            head = file.read(SECTOR)
        entries = [head[TABLE + ENTRY * number :][:ENTRY] for number in range(4)]
        fat = [entry for entry in entries if len(entry) == ENTRY and entry[4] in FAT_TYPES]
        if head[-2:] != b"\x55\xaa" or not fat:
            raise DataError(f"{image} has no boot partition: is it an image of Raspberry Pi OS?")
        begin = int.from_bytes(fat[0][8:12], "little") * SECTOR
        length = int.from_bytes(fat[0][12:16], "little") * SECTOR
        if begin + length > image.stat().st_size:
            raise DataError(f"{image} ends within its boot partition: get it again")
        self._place = f"{image}@@{begin}"

    def read(self, name: str) -> bytes | None:
        told = self._mtools("mtype", f"::/{name}")
        return None if told.returncode else told.stdout

    def has_room_for(self, size_bytes: int) -> bool:
        told = self._mtools("mdir", "::/")
        free = re.search(rb"([\d ]+) bytes free", told.stdout)
        if free is None:
            raise DataError(f"the boot partition of {self._image} cannot be read ({_reason(told)}): get it again")
        return int(free[1].replace(b" ", b"")) >= size_bytes + SPARE_BYTES

    def put(self, folder: Path) -> None:
        for entry in sorted(folder.iterdir()):
            if entry.is_dir():
                self._mtools("mdeltree", f"::/{entry.name}")
            told = self._mtools("mcopy", "-s", "-Q", "-o", str(entry), f"::/{entry.name}")
            if told.returncode:
                raise DataError(f"{self._image} cannot be written ({_reason(told)}): is it writable, and whole?")
        with self._image.open("rb+") as file:
            os.fsync(file.fileno())

    def _mtools(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([program, "-i", self._place, *arguments], capture_output=True, check=False)


def _reason(told: subprocess.CompletedProcess[bytes]) -> str:
    return (told.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
