"""The folder of annotated copies: a name of its own for each, which overwrites nothing."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.edge.camera.media_file import MediaFile
from mien.errors import UsageError
from mien.files.atomic_file import write_file
from mien.media.file_name import to_text

IMAGE_SUFFIXES = frozenset({".bmp", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""Endings of formats that OpenCV writes; an image with another one is copied as PNG."""


class AnnotatedFolder:
    """A folder that receives a copy of each of some files."""

    def __init__(self, folder: Path, files: Sequence[MediaFile], *, source: Path, overwrite: bool) -> None:
        """Create the folder; the copies have the places in it that the originals have in the folder `source`.

        UsageError if the folder cannot be written to or contains originals, or, unless `overwrite`, a copy exists.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{to_text(folder)} is not a writable folder ({error.strerror}): name another folder"
            ) from error
        source_folder = source if source.is_dir() else source.parent
        self._paths = dict(_paths(folder, files, source_folder))
        originals = {file.path.resolve() for file in files}
        copies = {path.resolve() for path in self._paths.values()}
        if folder.samefile(source_folder) or not originals.isdisjoint(copies):
            raise UsageError(f"{to_text(folder)} contains the originals: name another folder for the annotated copies")
        existing = [path for path in self._paths.values() if path.exists()]
        if existing and not overwrite:
            more = f" and {len(existing) - 1} more copies exist" if len(existing) > 1 else " exists"
            raise UsageError(f"{to_text(existing[0])}{more} already: add --overwrite, or name another folder")

    def path_for(self, file: MediaFile) -> Path:
        """Where to write the copy of the file; its folder exists."""
        path = self._paths[file.path]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot write {to_text(path)} ({error.strerror}): name another folder") from error
        return path

    def write_image(self, file: MediaFile, image: NDArray[np.uint8]) -> None:
        """Write the copy of an image file. UsageError if that is not possible."""
        path = self.path_for(file)
        try:
            is_encoded, data = cv2.imencode(path.suffix, image)
            if not is_encoded:
                raise UsageError(f"cannot write {to_text(path)}: convert {to_text(file.path)} to PNG")
            write_file(path, data.tobytes())
        except (cv2.error, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error.err
            raise UsageError(f"cannot write {to_text(path)} ({reason}): name another folder") from error


def _paths(folder: Path, files: Sequence[MediaFile], source: Path) -> Iterable[tuple[Path, Path]]:
    """Each original with the path of its copy.

    A copy keeps the name if that has the ending of the format that is written; `a.mov` becomes `a.mp4` if no other copy
    has that name, else `a.mov.mp4`.
    """
    taken: set[str] = set()
    for file in sorted(files, key=lambda file: not _keeps_name(file)):
        name, suffix = file.path.relative_to(source), ".mp4" if file.kind == "video" else ".png"
        candidates = [name] if _keeps_name(file) else [name.with_suffix(suffix)]
        candidates += [name.with_name(name.name + suffix)]
        candidates += [name.with_name(f"{name.name}-{number}{suffix}") for number in range(2, len(files) + 2)]
        copy = next(candidate for candidate in candidates if _fold(candidate) not in taken)
        taken.add(_fold(copy))
        yield file.path, folder / copy


def _keeps_name(file: MediaFile) -> bool:
    return file.path.suffix.lower() in ({".mp4"} if file.kind == "video" else IMAGE_SUFFIXES)


def _fold(path: Path) -> str:
    """The same for names that a card or a Mac would take for one."""
    return str(path).casefold()
