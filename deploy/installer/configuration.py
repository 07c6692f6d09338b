"""The agent's configuration on a Pi: its settings and identity in /etc/mien."""

import pwd
import shutil
import tomllib
from contextlib import suppress
from pathlib import Path

from .atomic_file import copy_file, write_file
from .bundle import PUBLIC, Bundle
from .erasure import erase, is_present

USER = "mien"
"""The account that the agent runs as."""


class Configuration:
    """The files of /etc/mien, and a copy of agent.toml as the last bundle brought it."""

    def __init__(self, folder: Path, shipped_settings: Path, *, is_live: bool) -> None:
        """`shipped_settings` is that copy; `is_live` says whether the agent's user exists in this system."""
        self.folder = folder
        self._shipped_settings = shipped_settings
        self._is_live = is_live

    @property
    def device(self) -> str | None:
        """The device that this Pi is; None before the first installation."""
        with suppress(OSError, ValueError):
            device = tomllib.loads((self.folder / "agent.toml").read_text(encoding="utf-8-sig")).get("device")
            return None if device is None else str(device)
        return None

    def has_identity_of(self, bundle: Bundle) -> bool:
        """Whether its certificate is installed, and all secrets that the bundle no longer contains."""
        with suppress(OSError):
            certificate = (bundle.folder / "device" / "device.crt").read_bytes()
            moved = [file.name for file in bundle.secrets if not is_present(file)]
            installed = all((self.folder / name).exists() for name in ("device.key", *moved))
            return (self.folder / "device.crt").read_bytes() == certificate and installed
        return False

    def install(self, bundle: Bundle) -> bool:
        """Write the bundle's settings and identity; True if someone had edited agent.toml, which is then kept."""
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        for file in bundle.configuration:
            if file.name != "agent.toml":
                self._write(self.folder / file.name, file.read_bytes())
        settings, installed = (bundle.folder / "device" / "agent.toml").read_bytes(), self.folder / "agent.toml"
        edited = installed.exists() and installed.read_bytes() not in (settings, self._read_shipped_settings())
        self._write(self.folder / ("agent.toml.new" if edited else "agent.toml"), settings)
        if not edited:
            (self.folder / "agent.toml.new").unlink(missing_ok=True)
        self._write(self._shipped_settings, settings)
        return edited

    def back_up(self, folder: Path) -> None:
        """Copy everything into a new folder."""
        (folder / "etc").mkdir()
        for file in self._files():
            copy_file(file, folder / "etc" / file.name)
        if self._shipped_settings.exists():
            copy_file(self._shipped_settings, folder / self._shipped_settings.name)

    def restore(self, folder: Path) -> None:
        """Restore a backup: write its files first, then delete all others."""
        backed_up = sorted((folder / "etc").iterdir())
        for file in backed_up:
            copy_file(file, self.folder / file.name)
        for file in self._files():
            if file.name not in {original.name for original in backed_up}:
                file.unlink()
        copy_file(folder / self._shipped_settings.name, self._shipped_settings)

    def erase_secrets(self) -> None:
        """Erase what only the agent may read."""
        for file in self._files():
            if file.name not in PUBLIC:
                erase(file)

    def delete(self) -> None:
        """Remove everything."""
        self.erase_secrets()
        self._shipped_settings.unlink(missing_ok=True)
        shutil.rmtree(self.folder)

    def _files(self) -> list[Path]:
        return sorted(file for file in self.folder.glob("*") if file.is_file())

    def _read_shipped_settings(self) -> bytes | None:
        with suppress(OSError):
            return self._shipped_settings.read_bytes()
        return None

    def _write(self, file: Path, content: bytes) -> None:
        """Write a file; only the agent can ever read a secret."""
        if file.name in PUBLIC:
            write_file(file, content, 0o644)
        else:
            agent = pwd.getpwnam(USER) if self._is_live else None
            write_file(file, content, 0o600, agent and (agent.pw_uid, agent.pw_gid))
