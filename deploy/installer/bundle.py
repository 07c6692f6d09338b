"""A bundle as the Pi sees it: a folder with a release of mien and the configuration of one device."""

import hashlib
import json
import platform
import sys
from pathlib import Path
from typing import Any

from .erasure import is_present
from .errors import InstallError

PUBLIC = ("agent.toml", "agent.toml.new", "ca.crt", "device.crt", "model.tflite")
"""Files of a device that every user of it may read; only the agent may read anything else in /etc/mien."""


class Bundle:
    """A folder that `mien flash` or `mien device pack` wrote."""

    def __init__(self, folder: Path) -> None:
        """Open it. InstallError if the folder is not a bundle."""
        self.folder = folder
        try:
            manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
            self.device: str = manifest["device"]
            self.release: str = manifest["release"]
            self._python: str = manifest["python"]
            self._machine: str = manifest["machine"]
            self._files: dict[str, str] = manifest["files"]
        except (OSError, ValueError, KeyError) as error:
            raise InstallError(f"{folder} is not a bundle of mien ({error!r}): flash or pack it again") from error

    def check(self) -> None:
        """InstallError if it is damaged or made for another system."""
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        if (platform.machine(), python) != (self._machine, self._python):
            raise InstallError(
                f"the bundle is for {self._machine} with Python {self._python}, but this system is "
                f"{platform.machine()} with Python {python}: use 64-bit Raspberry Pi OS, and name its release with "
                "--os-release"
            )
        for name, digest in self._files.items():
            if self.folder / name in self.secrets and not is_present(self.folder / name):
                continue  # moved out of the bundle; Installation decides whether that is allowed
            try:
                with (self.folder / name).open("rb") as file:
                    actual = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise InstallError(f"{name} of the bundle cannot be read ({error}): flash or pack it again") from error
            if actual != digest:
                raise InstallError(f"{name} of the bundle is damaged or was edited: flash or pack it again")
        if not any(name.endswith(".whl") for name in self._files):
            raise InstallError(f"{self.folder} contains no release of mien: flash or pack it again")

    @property
    def wheel(self) -> Path:
        """The wheel of mien, by the manifest: an older bundle may have left another wheel in the same folder."""
        return self.folder / next(name for name in self._files if name.endswith(".whl"))

    @property
    def configuration(self) -> list[Path]:
        """The device's settings, identity and model, as far as they exist; never a file of an older bundle."""
        files = (self.folder / name for name in self._files if name.startswith("device/"))
        return [file for file in files if is_present(file)]

    @property
    def secrets(self) -> list[Path]:
        """The device's private key, and what else only the agent may read, by the manifest.

        They are erased from the bundle once they are installed, the key last: its presence tells the next boot that the
        installation is unfinished.
        """
        names = (name for name in self._files if name.startswith("device/") and Path(name).name not in PUBLIC)
        return sorted((self.folder / name for name in names), key=lambda file: file == self.key)

    @property
    def key(self) -> Path:
        """The device's private key."""
        return self.folder / "device" / "device.key"
