"""Finds the images and videos among files, by their bytes, and says why the others are left out."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mien.errors import CameraError
from mien.media.completeness import count_gif_images, is_motion_jpeg
from mien.media.file_format import HEAD_BYTES, recognize
from mien.media.file_name import to_text
from mien.media.image_bytes import EMPTY

FIRST_JPEG_BYTES = 1 << 18
"""Where a JPEG ends within as many bytes and another one begins, the file is a video; photos are longer or single."""


@dataclass(frozen=True, slots=True)
class MediaFile:
    """An image or video file."""

    path: Path
    kind: Literal["image", "video"]


@dataclass(frozen=True, slots=True)
class MediaFolder:
    """What is in a folder, or the one file that was named instead."""

    files: list[MediaFile]
    """Sorted by path."""
    left_out: list[str]
    """One line for each entry that is not read, with its name, the reason and what to do."""


def identify(file: Path) -> MediaFile:
    """The file with its kind: an animated GIF or a file of JPEGs in a row is a video. CameraError if it is neither."""
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):  # reading a pipe or a device could last forever
            raise CameraError(f"{to_text(file)} is not a regular file: copy what it delivers into a file")
        with file.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
            file_format = recognize(head)
            if file_format is None:
                problem = "is neither an image nor a video: convert it to JPEG, PNG or MP4" if head else EMPTY
                raise CameraError(f"{to_text(file)} {problem}")
            match file_format.name:
                case "GIF":
                    is_video = count_gif_images(head + stream.read())[0] > 1
                case "JPEG":
                    is_video = is_motion_jpeg(head + stream.read(FIRST_JPEG_BYTES))
                case _:
                    is_video = file_format.kind == "video"
    except OSError as error:
        hint = "check its name" if isinstance(error, FileNotFoundError) else "check its permissions"
        raise CameraError(f"{to_text(file)} cannot be read ({error.strerror}): {hint}") from error
    return MediaFile(file, "video" if is_video else "image")


def find_media(path: Path, *, recursive: bool = False, except_folder: Path | None = None) -> MediaFolder:
    """The file itself, or the images and videos in a folder and, if `recursive`, in the folders inside.

    `except_folder` is passed over. CameraError if the path is a file that is neither, or does not exist, or a folder
    without anything to read.
    """
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CameraError(f"{to_text(path)} does not exist: name a video, an image or a folder of both") from error
    except OSError as error:
        raise CameraError(f"{to_text(path)} cannot be read ({error.strerror}): check its permissions") from error
    if not is_folder:
        return MediaFolder([identify(path)], [])
    files: list[MediaFile] = []
    left_out: list[str] = []
    for entry in _entries(path, recursive, except_folder, left_out):
        try:
            files.append(identify(entry))
        except CameraError as error:
            left_out.append(str(error))
    if not files and not left_out:
        raise CameraError(f"{to_text(path)} contains no images or videos: name another folder")
    return MediaFolder(files, left_out)


def _entries(folder: Path, recursive: bool, except_folder: Path | None, left_out: list[str]) -> Iterator[Path]:
    """The entries that are no folders, sorted; each folder's own before those of the folders inside."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        left_out.append(f"{to_text(folder)} cannot be read ({error.strerror}): check its permissions")
        return
    folders = {entry for entry in entries if _is_folder(entry)}
    yield from (entry for entry in entries if entry not in folders)
    for inner in sorted(folders):
        if except_folder is not None and except_folder.exists() and inner.samefile(except_folder):
            continue
        if inner.is_symlink():
            left_out.append(f"{to_text(inner)} is a link to a folder: name that folder itself")
        elif recursive:
            yield from _entries(inner, recursive, except_folder, left_out)
        else:
            left_out.append(f"{to_text(inner)} is a folder: add --recursive")


def _is_folder(path: Path) -> bool:
    """Unlike `Path.is_dir`, False for what may not be looked at, which is then named when it is to be read."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except OSError:
        return False
