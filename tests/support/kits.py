"""Kits for this machine, and a supervisor in systemd's place."""

import hashlib
import json
import platform
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from cards import small_packages

from mien.deploy.installer import Kit
from mien.deploy.kit import write_kit
from mien.deploy.raspberry_pi_os import TRIXIE
from mien.deploy.server import ServerFolder

HERE = {"python": f"{sys.version_info.major}.{sys.version_info.minor}", "machine": platform.machine()}


class Supervisor:
    """In systemd's place: writes down what it was told, and says what the test wants to hear."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.ready: list[bool] = []

    def enable(self) -> None:
        self.told.append("enable")

    def restart(self) -> bool:
        self.told.append("restart")
        return self.ready.pop(0) if self.ready else True

    def remove(self) -> None:
        self.told.append("remove")


NewKit = Callable[..., Kit]


def slim(kit: Kit) -> Kit:
    """The kit with another wheel in the place of mien's, for who unpacks it many times."""
    wheel = next(kit.folder.glob("*.whl"))
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("mien/__init__.py", "")
    manifest = json.loads((kit.folder / "manifest.json").read_text())
    manifest["files"][wheel.name] = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (kit.folder / "manifest.json").write_text(json.dumps(manifest))
    return Kit(kit.folder)


def kit_maker(place: Path, folder: ServerFolder) -> NewKit:
    """What makes kits of this folder's devices, for this machine; each with another `release` is another release."""
    small_packages(TRIXIE, place / "cache")
    made: list[Path] = []

    def make(device: str = "kitchen", *, settings: str = "", release: str = "", extra: str = "") -> Kit:
        kit = place / f"kit{len(made)}"
        made.append(kit)
        prepared = place / f"prepared{len(made)}" / device
        shutil.copytree(folder.path / "devices" / device, prepared)
        with (prepared / "agent.toml").open("a") as agent:
            agent.write(settings)
        if extra:
            (prepared / extra).write_text("of a later release")
        write_kit(prepared, kit, TRIXIE, model=None, cache=place / "cache")
        manifest = json.loads((kit / "manifest.json").read_text()) | HERE
        manifest["release"] += release
        (kit / "manifest.json").write_text(json.dumps(manifest))
        return Kit(kit)

    return make
