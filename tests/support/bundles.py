"""Bundles and releases for this machine, accounts, and services in systemd's place."""

import hashlib
import json
import os
import platform
import pwd
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from sd_cards import write_stub_packages

from mien.deploy.installer.bundle import Bundle
from mien.deploy.packaging.bundle import write_bundle
from mien.deploy.raspberry_pi_os import TRIXIE
from mien.deploy.server.folder import ServerFolder

THIS_SYSTEM = {"python": f"{sys.version_info.major}.{sys.version_info.minor}", "machine": platform.machine()}


class FakeService:
    """In systemd's place: records the calls, and becomes ready or not as the test sets it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.restart_results: list[bool] = []
        """The result of each restart to come; True after the last."""

    def enable(self) -> None:
        self.calls.append("enable")

    def restart(self) -> bool:
        self.calls.append("restart")
        return self.restart_results.pop(0) if self.restart_results else True

    def remove(self) -> None:
        self.calls.append("remove")


BundleFactory = Callable[..., Bundle]


def slim_bundle(bundle: Bundle) -> Bundle:
    """The bundle with an empty package as its wheel, for tests that unpack it many times."""
    wheel = next(bundle.folder.glob("*.whl"))
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("mien/__init__.py", "")
    manifest = json.loads((bundle.folder / "manifest.json").read_text())
    manifest["files"][wheel.name] = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (bundle.folder / "manifest.json").write_text(json.dumps(manifest))
    return Bundle(bundle.folder)


def bundle_factory(parent: Path, server: ServerFolder) -> BundleFactory:
    """A function that makes bundles of a server's devices for this machine; each `release` is another release."""
    write_stub_packages(TRIXIE, parent / "cache")
    folders: list[Path] = []

    def make(device: str = "kitchen", *, settings: str = "", release: str = "", extra: str = "") -> Bundle:
        folder = parent / f"bundle{len(folders)}"
        device_folder = parent / f"device{len(folders)}" / device
        folders.append(folder)
        shutil.copytree(server.path / "devices" / device, device_folder)
        with (device_folder / "agent.toml").open("a") as agent_toml:
            agent_toml.write(settings)
        if extra:
            (device_folder / extra).write_text("of a later release")
        write_bundle(device_folder, folder, TRIXIE, model=None, cache=parent / "cache")
        manifest = json.loads((folder / "manifest.json").read_text()) | THIS_SYSTEM
        manifest["release"] += release
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return Bundle(folder)

    return make


RELEASE_SCRIPT = """\
#!/bin/sh
test "$1 $2" = "db migrate" || exit 2
{migration}
"""


class OwnAccount:
    """Who runs the tests, in the place of an account of the system's."""

    def __init__(self) -> None:
        self.name = pwd.getpwuid(os.geteuid()).pw_name
        self.calls: list[str] = []

    def create(self) -> None:
        self.calls.append("create")

    def ids(self) -> tuple[int, int]:
        return os.geteuid(), os.getegid()

    def run(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def remove(self) -> None:
        self.calls.append("remove")


class FakeServices:
    """In systemd's place: records the calls; a unit is active unless its release fails."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.failing: set[str] = set()
        """Releases whose units fail."""
        self.release: Callable[[], str | None] = lambda: None

    def enable(self, units: Sequence[str]) -> None:
        self.calls.append(f"enable {' '.join(units)}")

    def restart(self, units: Sequence[str]) -> None:
        self.calls.append(f"restart {' '.join(units)}")

    def stop(self, units: Sequence[str]) -> None:
        self.calls.append(f"stop {' '.join(units)}")

    def disable(self, units: Sequence[str]) -> None:
        self.calls.append(f"disable {' '.join(units)}")

    def reload(self) -> None:
        self.calls.append("reload")

    def state(self, unit: str) -> str:
        return "failed" if self.release() in self.failing else "active"


class StubRelease:
    """A release whose `mien` is a script; it migrates a log by `migration`, shell commands with the log as $4."""

    def __init__(self, name: str, *, extras: Sequence[str] = ("dashboard",), migration: str = "") -> None:
        self._name = name
        self._extras = frozenset(extras)
        self._migration = migration

    @property
    def name(self) -> str:
        return self._name

    @property
    def extras(self) -> frozenset[str]:
        return self._extras

    def check(self) -> None:
        pass

    def build(self, folder: Path, home: Path) -> None:
        (folder / "bin").mkdir(parents=True)
        program = folder / "bin" / "mien"
        program.write_text(RELEASE_SCRIPT.format(migration=self._migration))
        program.chmod(0o755)


def are_active(data: Path, program: Path, account: object, units: list[str]) -> dict[str, Callable[[], bool]]:
    """Ready is what is active."""
    return dict.fromkeys(units, lambda: True)
