"""A copy of what runs, kept until the next release is ready, to return to if it does not become ready."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Protocol


class Configuration(Protocol):
    """What a release runs with, besides itself."""

    def back_up(self, folder: Path) -> None:
        """Copy it into a new folder."""

    def restore(self, folder: Path) -> None:
        """Make it as it was when that copy was made."""


class Snapshot:
    """The name and the configuration of the release that runs, in a folder that survives a power cut."""

    def __init__(self, folder: Path, configuration: Configuration) -> None:
        self._folder = folder
        self._configuration = configuration

    def take(self, running: str | None, upcoming: str) -> str | None:
        """Copy what runs until the release `upcoming` does; returns the release to return to, None before the first.

        A snapshot that exists belongs to an installation that was interrupted. It stays valid where this call continues
        that installation, or where that one had not switched the release yet; otherwise what runs now has been in use.
        """
        next_release, release = (self._read(name) for name in ("next", "release"))
        if next_release is None or (next_release != upcoming and release != (running or "")):
            self.delete()
            temporary = self._folder.with_suffix(".new")
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(mode=0o700)
            self._configuration.back_up(temporary)
            (temporary / "release").write_text(running or "")
            (temporary / "next").write_text(upcoming)
            os.sync()
            temporary.rename(self._folder)
        return (self._folder / "release").read_text() or None

    def restore_configuration(self) -> None:
        """Restore the configuration from the snapshot."""
        self._configuration.restore(self._folder)

    def delete(self) -> None:
        """Remove it, if it exists."""
        old = self._folder.with_suffix(".old")
        shutil.rmtree(old, ignore_errors=True)
        if self._folder.exists():
            self._folder.rename(old)
            shutil.rmtree(old)

    @property
    def exists(self) -> bool:
        """Whether an installation was interrupted."""
        return self._folder.exists()

    def _read(self, name: str) -> str | None:
        with suppress(OSError):
            return (self._folder / name).read_text()
        return None
