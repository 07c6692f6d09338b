"""Bundles for this machine, and a service in systemd's place."""

import hashlib
import json
import platform
import shutil
import sys
import zipfile
from collections.abc import Callable
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
