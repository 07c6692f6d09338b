"""A kit: all that a device's agent needs, in one folder that its own installer puts in place.

install.sh, installer.py   run on the device
manifest.json              what the kit is for, and the SHA-256 of its files
packages.tar.gz, *.whl     a release of mien and the packages it needs
mien-agent.service         its unit
device/                    settings and identity, as `mien device add` made them, and a model if not mien's own
"""

import hashlib
import json
import re
import shutil
import tarfile
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from mien.card import read_model
from mien.errors import UsageError
from mien.version import VERSION

from .authority import write_secret
from .configurations import ETC
from .packages import packages_archive
from .raspberry_pi_os import MACHINE, Release
from .units import AGENT_UNIT, agent_unit
from .wheel import write_wheel

INSTALLER = ("installer.py", "install.sh")


def write_kit(device: Path, folder: Path, release: Release, *, model: Path | None, cache: Path) -> str:
    """Write a kit into a new folder, and give the name of its release. `device` is what `mien device add` made.

    ModelError if the model is none; UsageError if the device's settings name another one already.
    """
    folder.mkdir(parents=True)
    for name in INSTALLER:
        (folder / name).write_bytes((files("mien.deploy") / name).read_bytes())
        (folder / name).chmod(0o755)
    (folder / AGENT_UNIT).write_text(agent_unit())
    shutil.copy(packages_archive(release, cache), folder / "packages.tar.gz")
    write_wheel(folder)
    digests = {file.name: _digest(file) for file in sorted(folder.iterdir())}
    name = f"{VERSION}-{hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:12]}"
    shutil.copytree(device, folder / "device")
    if model is not None:
        _add_model(folder / "device", model)
    digests |= {f"device/{file.name}": _digest(file) for file in sorted((folder / "device").iterdir())}
    manifest = {"device": device.name, "release": name, "python": release.python, "machine": MACHINE, "files": digests}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return name


def pack_kit(device: Path, file: Path, release: Release, *, model: Path | None, cache: Path) -> str:
    """Write a device's kit into a tar file, for its owner alone: a Pi that runs is installed or upgraded from it.

    UsageError if no file can be written there; what stood there before stays until the new one is whole.
    """
    if not file.parent.is_dir():
        raise UsageError(f"{file.parent} is no folder: make it, or name a file in another one")
    if file.exists() and not file.is_file():
        raise UsageError(f"{file} is no ordinary file, which mien does not replace: name another one")
    with TemporaryDirectory() as place:
        kit = Path(place) / f"mien-{device.name}"
        name = write_kit(device, kit, release, model=model, cache=cache)
        beside = file.with_name(f".{file.name}.part")
        try:
            write_secret(beside, b"")
            with tarfile.open(beside, "w") as packed:
                packed.add(kit, kit.name)
            beside.replace(file)
        except OSError as error:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise UsageError(f"{file} cannot be written ({error.strerror}): name a place with room for it") from error
    return name


def _add_model(device: Path, model: Path) -> None:
    read_model(model)
    settings = (device / "agent.toml").read_text()
    if re.search(r"^model\s*=", settings, re.MULTILINE):
        raise UsageError(f"agent.toml of {device.name} names a model already: leave out one of the two")
    shutil.copy(model, device / "model.tflite")
    named = re.sub(r"^(device\s*=.*)$", rf'\1\nmodel = "{ETC}/model.tflite"', settings, count=1, flags=re.MULTILINE)
    (device / "agent.toml").write_text(named)


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
