"""The boot partition of an SD card: mounted on this machine, or inside an image file."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Protocol

from mien.errors import DataError, MissingExtra, UsageError

from .disk_image import find_boot_partition

OWN_BOOT_PARTITIONS = (Path("/boot"), Path("/boot/firmware"), Path("/boot/efi"))
"""Where this machine mounts its own boot partition."""
SPARE_BYTES = 4_000_000
"""Left free on the partition, so that the Pi can update its firmware."""


class BootPartition(Protocol):
    """Files of a FAT partition, by names relative to its root."""

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if it does not exist."""

    def has_room_for(self, size_bytes: int) -> bool:
        """Whether this many bytes fit."""

    def write(self, folder: Path) -> None:
        """Copy a folder's content to the root and flush it: files replace files, folders replace folders."""


def open_boot_partition(path: Path) -> BootPartition:
    """The boot partition at a path: the folder where it is mounted, or an image file.

    UsageError or DataError if it is neither.
    """
    if path.is_dir():
        return MountedPartition(path)
    if not path.exists():
        raise UsageError(f"{path} does not exist: name the folder where the SD card is mounted, or an image file")
    if path.is_block_device():
        raise UsageError(f"{path} is a whole disk, which mien never writes to: name the folder where it is mounted")
    if not path.is_file():
        raise UsageError(f"{path} is neither a folder nor a file: name the folder where the SD card is mounted")
    return ImagePartition(path)


class MountedPartition:
    """A boot partition that is mounted on this machine."""

    def __init__(self, folder: Path) -> None:
        """UsageError if this machine itself boots from it. Later DataError for any link in it: FAT has none."""
        if folder.resolve() in OWN_BOOT_PARTITIONS:
            raise UsageError(f"this machine boots from {folder}: name the folder where the SD card is mounted")
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        file = self._folder / name
        self._refuse_link(file)
        return file.read_bytes() if file.is_file() else None

    def has_room_for(self, size_bytes: int) -> bool:
        return shutil.disk_usage(self._folder).free >= size_bytes + SPARE_BYTES

    def write(self, folder: Path) -> None:
        try:
            for entry in sorted(folder.iterdir()):
                target = self._folder / entry.name
                self._refuse_link(target)
                for secret in (target / "device").glob("*") if entry.is_dir() else [target]:
                    _overwrite(secret)
                if entry.is_dir():
                    shutil.rmtree(target, ignore_errors=True)
                    shutil.copytree(entry, target, copy_function=shutil.copyfile)
                else:
                    shutil.copyfile(entry, target)
        except OSError as error:
            raise DataError(f"{self._folder} cannot be written ({error}): is it writable and intact?") from error
        os.sync()  # before the SD card is taken out

    def _refuse_link(self, file: Path) -> None:
        """DataError for a link: in a folder that is not an SD card it could lead to any file of this machine."""
        if any(path.is_symlink() for path in (file, file.parent) if path != self._folder):
            raise DataError(f"{file} is a link, which Raspberry Pi OS never has there: write Raspberry Pi OS first")


class ImagePartition:
    """The boot partition inside an image of a whole SD card; mtools reads and writes it without root."""

    def __init__(self, image: Path) -> None:
        """Find the partition, or raise what `find_boot_partition` raises. MissingExtra without mtools."""
        extent = find_boot_partition(image)
        if shutil.which("mcopy") is None:
            raise MissingExtra("image files need mtools, which is not installed: apt install mtools")
        self._image = image
        self._location = f"{image}@@{extent.begin}"

    def read(self, name: str) -> bytes | None:
        result = self._run_mtools("mtype", f"::/{name}")
        return None if result.returncode else result.stdout

    def has_room_for(self, size_bytes: int) -> bool:
        result = self._run_mtools("mdir", "::/")
        free = re.search(rb"([\d ]+) bytes free", result.stdout)
        if free is None:
            raise DataError(
                f"the boot partition of {self._image} cannot be read ({_reason(result)}): download it again"
            )
        return int(free[1].replace(b" ", b"")) >= size_bytes + SPARE_BYTES

    def write(self, folder: Path) -> None:
        for entry in sorted(folder.iterdir()):
            if entry.is_dir():
                self._run_mtools("mdeltree", f"::/{entry.name}")
            result = self._run_mtools("mcopy", "-s", "-Q", "-o", str(entry), f"::/{entry.name}")
            if result.returncode:
                raise DataError(f"{self._image} cannot be written ({_reason(result)}): is it writable and intact?")
        with self._image.open("rb+") as file:
            os.fsync(file.fileno())

    def _run_mtools(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([program, "-i", self._location, *arguments], capture_output=True, check=False)


def _overwrite(file: Path) -> None:
    """Overwrite a file in place: what replaces it may be written elsewhere, and it may contain a key."""
    if file.is_file():
        with file.open("r+b") as content:
            content.write(bytes(file.stat().st_size))
            content.flush()
            os.fsync(content.fileno())


def _reason(result: subprocess.CompletedProcess[bytes]) -> str:
    return (result.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
