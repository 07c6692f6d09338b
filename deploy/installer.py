"""Installs, upgrades and removes the agent on a Raspberry Pi, from the kit that this file stands in.

It runs on the Pi before anything of mien is there, so it is one file that needs Python's standard library alone.
"""

import argparse
import hashlib
import json
import os
import platform
import pwd
import shutil
import stat
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Protocol

USER = "mien"
UNIT = "mien-agent.service"
SETUP_UNIT = "mien-setup.service"
PUBLIC = ("agent.toml", "agent.toml.new", "ca.crt", "device.crt", "model.tflite")
"""What everyone on the device may read; all else in /etc/mien is the agent's alone."""
COMMAND = '#!/bin/sh\nPYTHONPATH=/opt/mien/current exec /usr/bin/python3 -P -m mien "$@"\n'


class InstallError(Exception):
    """Something that the operator can mend, told in one line."""


class Kit:
    """A folder with a release of mien and the configuration of one device."""

    def __init__(self, folder: Path) -> None:
        """Open it. InstallError if it is none."""
        self.folder = folder
        try:
            manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
            self.device: str = manifest["device"]
            self.release: str = manifest["release"]
            self._python: str = manifest["python"]
            self._machine: str = manifest["machine"]
            self._files: dict[str, str] = manifest["files"]
        except (OSError, ValueError, KeyError) as error:
            raise InstallError(f"{folder} holds no kit of mien ({error!r}): flash the card again") from error

    def check(self) -> None:
        """InstallError if it is not for this system, or damaged."""
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        if (platform.machine(), python) != (self._machine, self._python):
            raise InstallError(
                f"this kit is for {self._machine} with Python {self._python}, here is {platform.machine()} with "
                f"{python}: take Raspberry Pi OS of 64 bits, and name its release with --system"
            )
        for name, digest in self._files.items():
            if self.folder / name == self.key and not self.key.exists():
                continue  # it has left the kit; whether that may be is the installation's to say
            try:
                with (self.folder / name).open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise InstallError(f"{name} of the kit cannot be read ({error}): flash the card again") from error
            if found != digest:
                raise InstallError(f"{name} of the kit is damaged, or edited in it: flash the card again")
        if not any(name.endswith(".whl") for name in self._files):
            raise InstallError(f"{self.folder} holds no release of mien: flash the card again")

    @property
    def wheel(self) -> Path:
        """mien itself. Not any wheel that lies there: an older kit's may, in the same folder."""
        return self.folder / next(name for name in self._files if name.endswith(".whl"))

    @property
    def configuration(self) -> list[Path]:
        """Settings, identity and model: what is there of it, and nothing that an older kit left."""
        files = (self.folder / name for name in self._files if name.startswith("device/"))
        return [file for file in files if file.exists()]

    @property
    def key(self) -> Path:
        """The device's private key, which leaves the kit once it is installed."""
        return self.folder / "device" / "device.key"


class Service(Protocol):
    """What runs the agent."""

    def enable(self) -> None:
        """Start it with the system."""

    def restart(self) -> bool:
        """Start it now; False if it did not become ready."""

    def remove(self) -> None:
        """Stop it, and start it no more."""


class Systemd:
    """The agent's unit, in the system that runs, or in one under another root."""

    def __init__(self, root: Path) -> None:
        self._live = root == Path("/")
        self._systemctl = ["systemctl"] if self._live else ["systemctl", f"--root={root}"]

    def enable(self) -> None:
        if self._live:
            self._run("daemon-reload")
        if not self._run("enable", UNIT):
            raise InstallError(f"systemd does not take {UNIT} (see above): mend that and install again")

    def restart(self) -> bool:
        # Type=notify: it returns when the agent has said that it is ready, or has ended
        return not self._live or self._run("restart", UNIT)

    def remove(self) -> None:
        if self._live:
            self._run("stop", UNIT)
        self._run("disable", UNIT)

    def _run(self, *arguments: str) -> bool:
        try:
            return subprocess.run([*self._systemctl, *arguments], check=False).returncode == 0
        except FileNotFoundError as error:
            raise InstallError("systemctl is not here: this is not Raspberry Pi OS") from error


class Installation:
    """The agent's places in a system."""

    def __init__(self, root: Path, service: Service) -> None:
        """Under `root`, which is `/` but for tests and for images."""
        self._root = root
        self._service = service
        self._live = root == Path("/")
        self._home = root / "opt" / "mien"
        self._releases = self._home / "releases"
        self._current = self._home / "current"
        self._shipped_settings = self._home / "agent.toml"
        self._previous = self._home / "previous"
        self._etc = root / "etc" / "mien"
        self._data = root / "var" / "lib" / "mien"
        self._units = root / "etc" / "systemd" / "system"
        self._user = root / "etc" / "sysusers.d" / "mien.conf"
        self._command = root / "usr" / "local" / "bin" / "mien"

    @property
    def release(self) -> str | None:
        """The release that runs, if any."""
        with suppress(OSError):
            return self._current.readlink().name
        return None

    def install(self, kit: Kit, *, replace: bool = False) -> str:
        """Install or upgrade, and say so in a line. InstallError, and all as it was, if the agent is not ready then.

        With `replace` also where the Pi is another device. After a power cut the next call begins anew, and knows what
        ran before the first.
        """
        kit.check()
        self._refuse(kit, replace=replace)
        self._unpack(kit)
        aside = self._make_room(kit)
        self._take_back(kit.device)
        before = self._remember(kit.release)
        kept = self._configure(kit)
        self._activate(kit.release)
        self._service.enable()
        if not self._service.restart():
            failed = f"release {kit.release} did not get ready (see `journalctl -u mien-agent`)"
            if before is None:
                raise InstallError(f"{failed}: mend /etc/mien/agent.toml and install again")
            self._restore()
            self._activate(before)
            self._service.enable()
            self._service.restart()
            self._forget()
            raise InstallError(f"{failed}: {before} is back")
        self._forget()
        self._delete_others({before, kit.release})
        os.sync()  # before the key goes, by which the next start would know that something is left to do
        kit.key.unlink(missing_ok=True)
        os.sync()
        told = f"{kit.device} has release {kit.release}"
        if kept:
            told += "; your agent.toml stays, the kit's lies beside it as agent.toml.new"
        return f"{told}; what this Pi observed before lies in {aside}" if aside else told

    def uninstall(self) -> str:
        """Remove all but what the agent has observed, which is the device's own when it returns."""
        self._service.remove()
        aside = self._put_aside()
        setup = (self._units / SETUP_UNIT, self._units / "multi-user.target.wants" / SETUP_UNIT)
        for file in (self._units / UNIT, *setup, self._user, self._command):
            file.unlink(missing_ok=True)
        edited = self._units / f"{UNIT}.d"
        for folder in (self._home, self._etc, edited, self._root / "var" / "cache" / "mien"):
            shutil.rmtree(folder, ignore_errors=True)
        if self._live:
            subprocess.run(["systemctl", "daemon-reload"], check=False)
            subprocess.run(["userdel", USER], check=False, stderr=subprocess.DEVNULL)
        left = aside or self._data
        return f"mien is gone; what it observed and has not sent lies in {left}" if left.exists() else "mien is gone"

    def _refuse(self, kit: Kit, *, replace: bool) -> None:
        """InstallError where nothing must be changed yet: another device, or a kit that has given its key away."""
        device = self._device()
        if device not in (None, kit.device) and not replace:
            raise InstallError(f"this Pi is {device}, the kit is of {kit.device}: say --replace")
        if not kit.key.exists() and not self._has_identity(kit):
            raise InstallError(f"the key of {kit.device} is not in the kit any more: flash or pack it again")

    def _make_room(self, kit: Kit) -> Path | None:
        """Where this Pi is another device, remove that, all but its data and the releases; where its data went."""
        if self._device() in (None, kit.device):
            return None
        self._service.remove()
        aside = self._put_aside()
        shutil.rmtree(self._previous, ignore_errors=True)
        self._current.unlink(missing_ok=True)
        self._shipped_settings.unlink(missing_ok=True)
        shutil.rmtree(self._etc)
        return aside

    def _put_aside(self) -> Path | None:
        """Keep the data under the device's name, so that no other device sends it; where it went."""
        device = self._device()
        if device is None or not self._data.exists():
            return None
        names = (f"mien-of-{device}{'' if number == 1 else f'-{number}'}" for number in count(1))
        aside = next(place for place in map(self._data.with_name, names) if not place.exists())
        self._data.rename(aside)
        return aside

    def _take_back(self, device: str) -> None:
        """Find the data again that was put aside when this Pi ceased to be this device."""
        aside = self._data.with_name(f"mien-of-{device}")
        if aside.exists() and not self._data.exists():
            aside.rename(self._data)

    def _device(self) -> str | None:
        """Which device this Pi is, if any."""
        with suppress(OSError, ValueError):
            device = tomllib.loads((self._etc / "agent.toml").read_text()).get("device")
            return None if device is None else str(device)
        return None

    def _unpack(self, kit: Kit) -> None:
        release = self._releases / kit.release
        if release.exists():
            return
        beside = release.with_name(f"{release.name}.new")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        with tarfile.open(kit.folder / "packages.tar.gz") as packages:
            if hasattr(tarfile, "data_filter"):
                packages.extractall(beside, filter="data")
            else:  # bookworm's Python is too old for it; the archive has the hash that it should have
                packages.extractall(beside)
        with zipfile.ZipFile(kit.wheel) as wheel:
            wheel.extractall(beside)
        shutil.copy(kit.folder / UNIT, beside / UNIT)
        os.sync()  # a release that has its name is whole, also after a power cut
        beside.rename(release)

    def _remember(self, release: str) -> str | None:
        """Keep a copy of what runs until this release does; the name of the one that runs, None before the first.

        A copy that is there already is of an installation that was cut short. It holds where that one goes on, or has
        not changed the release yet: else people have lived with what runs now.
        """
        said = [self._text(self._previous / name) for name in ("next", "release")]
        if said[0] is None or (said[0] != release and said[1] != (self.release or "")):
            self._forget()
            beside = self._previous.with_suffix(".new")
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir(mode=0o700)
            (beside / "etc").mkdir()
            for file in self._configuration():
                self._copy(file, beside / "etc" / file.name)
            if self._shipped_settings.exists():
                self._copy(self._shipped_settings, beside / self._shipped_settings.name)
            (beside / "release").write_text(self.release or "")
            (beside / "next").write_text(release)
            os.sync()
            beside.rename(self._previous)
        return (self._previous / "release").read_text() or None

    def _restore(self) -> None:
        """Make /etc/mien what it was: first what belongs there, then what does not goes."""
        kept = sorted((self._previous / "etc").iterdir())
        for file in kept:
            self._copy(file, self._etc / file.name)
        for file in self._configuration():
            if file.name not in {one.name for one in kept}:
                file.unlink()
        self._copy(self._previous / self._shipped_settings.name, self._shipped_settings)

    def _forget(self) -> None:
        beside = self._previous.with_suffix(".old")
        shutil.rmtree(beside, ignore_errors=True)
        if self._previous.exists():
            self._previous.rename(beside)
            shutil.rmtree(beside)

    def _text(self, file: Path) -> str | None:
        with suppress(OSError):
            return file.read_text()
        return None

    def _configure(self, kit: Kit) -> bool:
        """Put settings and identity in place; True if settings that someone has changed were kept."""
        self._etc.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._user.parent.mkdir(parents=True, exist_ok=True)
        self._user.write_text(f'u {USER} - "mien agent" /var/lib/mien\nm {USER} gpio\nm {USER} video\n')
        if self._live:
            subprocess.run(["systemd-sysusers", str(self._user)], check=True)
        for file in kit.configuration:
            if file.name != "agent.toml":
                self._place(self._etc / file.name, file.read_bytes())
        settings, installed = (kit.folder / "device" / "agent.toml").read_bytes(), self._etc / "agent.toml"
        changed = installed.exists() and installed.read_bytes() not in (settings, self._shipped())
        self._place(self._etc / ("agent.toml.new" if changed else "agent.toml"), settings)
        if not changed:
            (self._etc / "agent.toml.new").unlink(missing_ok=True)
        self._place(self._shipped_settings, settings)
        return changed

    def _has_identity(self, kit: Kit) -> bool:
        with suppress(OSError):
            same = (self._etc / "device.crt").read_bytes() == (kit.folder / "device" / "device.crt").read_bytes()
            return same and (self._etc / "device.key").exists()
        return False

    def _shipped(self) -> bytes | None:
        """The settings that the last kit brought."""
        with suppress(OSError):
            return self._shipped_settings.read_bytes()
        return None

    def _place(self, file: Path, content: bytes) -> None:
        """Write a file of the configuration; a secret is the agent's alone from its first byte."""
        if file.name in PUBLIC:
            self._write(file, content, 0o644)
        else:
            agent = pwd.getpwnam(USER) if self._live else None
            self._write(file, content, 0o600, agent and (agent.pw_uid, agent.pw_gid))

    def _copy(self, source: Path, target: Path) -> None:
        """Write a file as another one is, with its mode and owner."""
        status = source.stat()
        self._write(target, source.read_bytes(), stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid))

    def _write(self, file: Path, content: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
        """Write a file at once or not at all."""
        beside = file.with_name(f".{file.name}")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as written:
            written.write(content)
            if owner is not None:
                os.fchown(written.fileno(), *owner)
            os.fchmod(written.fileno(), mode)
            os.fsync(written.fileno())
        beside.replace(file)

    def _activate(self, release: str) -> None:
        """Make this release the one that runs: its unit, the command, and last the link, at once or not at all."""
        self._units.mkdir(parents=True, exist_ok=True)
        self._write(self._units / UNIT, (self._releases / release / UNIT).read_bytes(), 0o644)
        self._command.parent.mkdir(parents=True, exist_ok=True)
        self._write(self._command, COMMAND.encode(), 0o755)
        beside = self._home / "current.new"
        beside.unlink(missing_ok=True)
        beside.symlink_to(Path("releases") / release)
        beside.replace(self._current)

    def _configuration(self) -> list[Path]:
        """The files of /etc/mien."""
        return sorted(file for file in self._etc.glob("*") if file.is_file())

    def _delete_others(self, releases: set[str | None]) -> None:
        for folder in self._releases.iterdir():
            if folder.name not in releases:
                shutil.rmtree(folder, ignore_errors=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the shell. Exit code 1 and one line if it does not work."""
    parser = argparse.ArgumentParser(prog="install.sh", description="Installs, upgrades or removes mien's agent.")
    parser.add_argument("action", nargs="?", choices=["install", "uninstall"], default="install")
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="into a system under DIR")
    parser.add_argument("--replace", action="store_true", help="install where this Pi is another device")
    options = parser.parse_args(arguments)
    root: Path = options.root.resolve()
    installation = Installation(root, Systemd(root))
    try:
        if root == Path("/") and os.geteuid() != 0:
            raise InstallError("this needs root: sudo install.sh")
        if options.action == "uninstall":
            print(installation.uninstall())
        else:
            print(installation.install(Kit(Path(__file__).resolve().parent), replace=options.replace))
    except (InstallError, OSError, subprocess.CalledProcessError) as error:
        print(f"mien: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
