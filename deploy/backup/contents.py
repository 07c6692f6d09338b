"""What a backup contains: the files of a server folder, without those that its programs only use while they run."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from msgspec import Struct

from mien.errors import UsageError

MANIFEST = PurePosixPath("backup.json")
FILES = PurePosixPath("server")
"""The archive's first member, and the folder of all others."""
FORMAT: Final = 1
LEFT_OUT = ("mosquitto/data", "mosquitto/mosquitto.pid", "collector/data", "database/data", "grafana/data")
"""Queued messages, which devices send again; the log, which is copied separately; what runs in containers keeps."""
DATA = PurePosixPath("collector/data")
"""Where the log's copy is in the archive."""


class Manifest(Struct, frozen=True, kw_only=True):
    """What must be known to restore a backup."""

    format: Literal[1] = FORMAT
    release: str
    """The release of mien that wrote it."""
    made_at: str
    """ISO 8601, UTC."""
    folder: str
    """The server folder's path, which its files name."""
    database: str = ""
    """The emotion log, as collector.toml names it."""
    copy: str = ""
    """The file in the archive that contains it: a SQLite database, or a dump that pg_restore reads; empty if none."""


def server_files(folder: Path) -> Iterator[Path]:
    """The regular files. UsageError for what a backup would lose: links to folders."""
    left_out = {folder / name for name in LEFT_OUT}
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if here / name not in left_out)
        for name in folders:
            if (here / name).is_symlink():
                raise UsageError(f"{here / name} is a link to a folder, which a backup does not follow: move it here")
        for file in sorted(here / name for name in files):
            if file not in left_out and not file.name.startswith("part-") and file.is_file():
                yield file
