"""The agent as it is installed in a system: releases, the active one, user, unit, command and data."""

import os
import shutil
import subprocess
import tarfile
import zipfile
from contextlib import suppress
from itertools import count
from pathlib import Path

from .atomic_file import write_file
from .bundle import Bundle
from .configuration import USER, Configuration
from .erasure import erase, is_present
from .errors import InstallError
from .snapshot import Snapshot
from .systemd import AGENT_UNIT, FIRST_BOOT_UNIT, WIFI_KEY_UNIT, Service

WANTS = "multi-user.target.wants"
COMMAND = '#!/bin/sh\nPYTHONPATH=/opt/mien/current exec /usr/bin/python3 -P -m mien "$@"\n'


class Installation:
    """The agent's files in a system."""

    def __init__(self, root: Path, service: Service) -> None:
        """Under `root`, which is `/` except in tests and for images."""
        self._root = root
        self._service = service
        self._is_live = root == Path("/")
        self._home = root / "opt" / "mien"
        self._releases = self._home / "releases"
        self._current = self._home / "current"
        self._data = root / "var" / "lib" / "mien"
        self._units = root / "etc" / "systemd" / "system"
        self._sysusers = root / "etc" / "sysusers.d" / "mien.conf"
        self._command = root / "usr" / "local" / "bin" / "mien"
        self._configuration = Configuration(root / "etc" / "mien", self._home / "agent.toml", is_live=self._is_live)
        self._snapshot = Snapshot(self._home / "previous", self._configuration)

    @property
    def release(self) -> str | None:
        """The active release; None before the first installation."""
        with suppress(OSError):
            return self._current.readlink().name
        return None

    def install(self, bundle: Bundle, *, replace: bool = False) -> str:
        """Install or upgrade; returns a line that reports it.

        InstallError if the agent does not become ready; then everything is as before. `replace` allows it where the Pi
        is another device. After a power cut the next call starts over, and still knows what ran before the first one.
        """
        bundle.check()
        self._refuse(bundle, replace=replace)
        self._unpack(bundle)
        data_of_other_device = self._remove_other_device(bundle)
        self._bring_data_back(bundle.device)
        previous = self._snapshot.take(self.release, bundle.release)
        self._create_user()
        kept_settings = self._configuration.install(bundle)
        self._activate(bundle.release)
        self._service.enable()
        if not self._service.restart():
            failure = f"release {bundle.release} did not become ready (see `journalctl -u mien-agent`)"
            if previous is None:
                raise InstallError(f"{failure}: fix /etc/mien/agent.toml and install again")
            self._snapshot.restore_configuration()
            self._activate(previous)
            self._service.enable()
            self._service.restart()
            self._snapshot.delete()
            raise InstallError(f"{failure}: restored release {previous}")
        self._snapshot.delete()
        self._delete_releases_except({previous, bundle.release})
        os.sync()  # before the key is deleted, whose presence tells the next boot that the installation is unfinished
        for file in bundle.secrets:
            erase(file)
        os.sync()
        message = f"{bundle.device}: installed release {bundle.release}"
        if kept_settings:
            message += "; kept your agent.toml, the bundle's is next to it as agent.toml.new"
        if data_of_other_device:
            message += f"; the unsent observations of the previous device are in {data_of_other_device}"
        return message

    def uninstall(self) -> str:
        """Remove everything except unsent observations, which the device gets back when it is installed again."""
        self._service.remove()
        aside = self._set_data_aside()
        of_sd_card = [
            self._units / folder / unit for folder in ("", WANTS) for unit in (FIRST_BOOT_UNIT, WIFI_KEY_UNIT)
        ]
        for file in (self._units / AGENT_UNIT, *of_sd_card, self._sysusers, self._command):
            file.unlink(missing_ok=True)
        self._configuration.erase_secrets()
        overrides = self._units / f"{AGENT_UNIT}.d"
        for folder in (self._home, self._configuration.folder, overrides, self._root / "var" / "cache" / "mien"):
            shutil.rmtree(folder, ignore_errors=True)
        if self._is_live:
            subprocess.run(["systemctl", "daemon-reload"], check=False)
            subprocess.run(["userdel", USER], check=False, stderr=subprocess.DEVNULL)
        data = aside or self._data
        return f"removed mien; its unsent observations are in {data}" if data.exists() else "removed mien"

    def _refuse(self, bundle: Bundle, *, replace: bool) -> None:
        """InstallError, before any change, if the Pi is another device or the bundle's key has been deleted."""
        device = self._configuration.device
        if device not in (None, bundle.device) and not replace:
            raise InstallError(f"this Pi is {device}, but the bundle is for {bundle.device}: use --replace")
        if not all(map(is_present, bundle.secrets)) and not self._configuration.has_identity_of(bundle):
            raise InstallError(f"the bundle no longer contains the key of {bundle.device}: flash or pack it again")

    def _remove_other_device(self, bundle: Bundle) -> Path | None:
        """If the Pi is another device, remove that, except its data and the releases; returns where its data is now."""
        if self._configuration.device in (None, bundle.device):
            return None
        self._service.remove()
        aside = self._set_data_aside()
        self._snapshot.delete()
        self._current.unlink(missing_ok=True)
        self._configuration.delete()
        return aside

    def _set_data_aside(self) -> Path | None:
        """Keep the data under the device's name, so that no other device sends it; returns where it is now."""
        device = self._configuration.device
        if device is None or not self._data.exists():
            return None
        names = (f"mien-of-{device}{'' if number == 1 else f'-{number}'}" for number in count(1))
        aside = next(path for path in map(self._data.with_name, names) if not path.exists())
        self._data.rename(aside)
        return aside

    def _bring_data_back(self, device: str) -> None:
        """Reinstate the data that was set aside when this Pi stopped being this device."""
        aside = self._data.with_name(f"mien-of-{device}")
        if aside.exists() and not self._data.exists():
            aside.rename(self._data)

    def _unpack(self, bundle: Bundle) -> None:
        release = self._releases / bundle.release
        if release.exists():
            return
        temporary = release.with_name(f"{release.name}.new")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        with tarfile.open(bundle.folder / "packages.tar.gz") as packages:
            if hasattr(tarfile, "data_filter"):
                packages.extractall(temporary, filter="data")
            else:  # bookworm's Python predates the filter; the hash of the archive has been checked
                packages.extractall(temporary)  # noqa: S202
        with zipfile.ZipFile(bundle.wheel) as wheel:
            wheel.extractall(temporary)  # noqa: S202  # its hash has been checked
        shutil.copy(bundle.folder / AGENT_UNIT, temporary / AGENT_UNIT)
        os.sync()  # a release under its final name is complete, even after a power cut
        temporary.rename(release)

    def _create_user(self) -> None:
        self._sysusers.parent.mkdir(parents=True, exist_ok=True)
        self._sysusers.write_text(f'u {USER} - "mien agent" /var/lib/mien\nm {USER} gpio\nm {USER} video\n')
        if self._is_live:
            subprocess.run(["systemd-sysusers", str(self._sysusers)], check=True)

    def _activate(self, release: str) -> None:
        """Switch to a release: its unit, the command, and last, atomically, the link `current`."""
        self._units.mkdir(parents=True, exist_ok=True)
        write_file(self._units / AGENT_UNIT, (self._releases / release / AGENT_UNIT).read_bytes(), 0o644)
        self._command.parent.mkdir(parents=True, exist_ok=True)
        write_file(self._command, COMMAND.encode(), 0o755)
        temporary = self._home / "current.new"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(Path("releases") / release)
        temporary.replace(self._current)

    def _delete_releases_except(self, releases: set[str | None]) -> None:
        for folder in self._releases.iterdir():
            if folder.name not in releases:
                shutil.rmtree(folder, ignore_errors=True)
