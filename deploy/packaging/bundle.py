"""A bundle: everything that a device's agent needs, in a folder that its own installer installs.

install.sh, installer/     run on the device
manifest.json              what the bundle is for, and the SHA-256 of its files
packages.tar.gz, *.whl     a release of mien and the packages it needs
mien-agent.service         the agent's unit
device/                    settings and identity, as `mien device add` made them, and the model if it is not mien's own
"""

import hashlib
import json
import re
import shutil
import tarfile
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from mien.deploy.config_templates import ETC
from mien.deploy.raspberry_pi_os import MACHINE, OsRelease
from mien.deploy.systemd_units import AGENT_UNIT, agent_unit
from mien.errors import UsageError
from mien.files.atomic_file import SECRET, atomic_write
from mien.files.text_file import read_text
from mien.model.model_card import read_model
from mien.version import VERSION

from .packages import packages_archive
from .wheel import write_wheel


def write_bundle(device: Path, folder: Path, os_release: OsRelease, *, model: Path | None, cache: Path) -> str:
    """Write a bundle into a new folder; returns the name of its release. `device` is the folder of `mien device add`.

    ModelError if the model is not valid; UsageError if the device's settings already name another one;
    ConfigurationError if they are missing or no text.
    """
    folder.mkdir(parents=True)
    _write_installer(folder)
    (folder / AGENT_UNIT).write_text(agent_unit())
    shutil.copy(packages_archive(os_release, cache), folder / "packages.tar.gz")
    write_wheel(folder)
    digests = _digests(folder)
    release = f"{VERSION}-{hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:12]}"
    shutil.copytree(device, folder / "device")
    _normalize_text(folder / "device" / "agent.toml", f"agent.toml of {device.name}")
    if model is not None:
        _add_model(folder / "device", device.name, model)
    manifest = {
        "device": device.name,
        "release": release,
        "python": os_release.python,
        "machine": MACHINE,
        "files": _digests(folder),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return release


def pack_bundle(device: Path, file: Path, os_release: OsRelease, *, model: Path | None, cache: Path) -> str:
    """Write a device's bundle into a tar file that only its owner can read; returns the name of its release.

    UsageError if the file cannot be written; a file that already exists stays until the new one is complete.
    """
    if not file.parent.is_dir():
        raise UsageError(f"{file.parent} is not a folder: create it, or name a file in another folder")
    if file.exists() and not file.is_file():
        raise UsageError(f"{file} is not a regular file, which mien does not replace: name another file")
    with TemporaryDirectory() as temporary:
        bundle = Path(temporary) / f"mien-{device.name}"
        release = write_bundle(device, bundle, os_release, model=model, cache=cache)
        try:
            with atomic_write(file, mode=SECRET) as part, tarfile.open(part, "w") as archive:
                archive.add(bundle, bundle.name)
        except OSError as error:
            raise UsageError(
                f"{file} cannot be written ({error.strerror}): name a path that has room for it"
            ) from error
    return release


def _write_installer(folder: Path) -> None:
    source = files("mien.deploy.installer")
    (folder / "installer").mkdir()
    for module in source.iterdir():
        if module.name.endswith(".py"):
            (folder / "installer" / module.name).write_bytes(module.read_bytes())
    (folder / "install.sh").write_bytes((source / "install.sh").read_bytes())
    (folder / "install.sh").chmod(0o755)


def _normalize_text(file: Path, name: str) -> None:
    """Rewrite what an editor of any system saved as plain UTF-8, which the installer reads, too.

    ConfigurationError, which begins with the name, if its encoding is not known.
    """
    file.write_text(read_text(file, name=name), encoding="utf-8")


def _add_model(folder: Path, device: str, model: Path) -> None:
    """Add a model to a device's folder, and name it in agent.toml."""
    read_model(model)
    settings = (folder / "agent.toml").read_text(encoding="utf-8")
    if re.search(r"^model\s*=", settings, re.MULTILINE):
        raise UsageError(f"agent.toml of {device} already names a model: remove it, or leave out --model")
    shutil.copy(model, folder / "model.tflite")
    settings = re.sub(r"^(device\s*=.*)$", rf'\1\nmodel = "{ETC}/model.tflite"', settings, count=1, flags=re.MULTILINE)
    (folder / "agent.toml").write_text(settings, encoding="utf-8")


def _digests(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file, by its path in the folder."""
    contents = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): _digest(file) for file in contents}


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
