"""Writes a device's bundle and its first boot to an SD card with Raspberry Pi OS."""

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mien.deploy.packaging.bundle import write_bundle
from mien.deploy.packaging.packages import cache_folder
from mien.deploy.raspberry_pi_os import BOOKWORM, TRIXIE, OsRelease, find_os_release
from mien.errors import DataError, UsageError

from .boot_partition import BootPartition, open_boot_partition
from .first_boot import (
    BUNDLE,
    FIRSTRUN,
    WIFI_KEY_MARKER,
    FirstBoot,
    cloud_init_files,
    firstrun_script,
    kernel_command_line,
)
from .wifi import Wifi

MARKER_FILES = ("issue.txt", "config.txt", "cmdline.txt")
"""Files on every boot partition of Raspberry Pi OS; the first names the system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlashOptions:
    """How the Pi is set up, besides its device."""

    hostname: str | None = None
    """By default the device's name."""
    timezone: str | None = None
    wifi: Wifi | None = None
    ssh_key: str | None = None
    user: str = "pi"
    model: Path | None = None
    """By default the model that ships with mien."""
    os_release: str | None = None
    """trixie or bookworm; by default detected from the SD card."""
    replace: bool = False
    """Accept an SD card that is set up for something else, and a Pi that is another device."""


@dataclass(frozen=True, slots=True)
class FlashResult:
    """What was written."""

    os_release: OsRelease
    release: str
    """The release of mien."""
    instance_id: str
    sizes_bytes: dict[str, int]
    """By file name, in the order of writing."""


def check_flash(device: Path, target: Path, options: FlashOptions) -> None:
    """Raise what `flash` raises before it writes, for a Wi-Fi network whose key is not known yet."""
    _, first_boot, os_release = _prepare(device, target, options)
    _set_up_files(first_boot, os_release)


def flash(device: Path, target: Path, options: FlashOptions) -> FlashResult:
    """Write a device, given by its folder, to the SD card at `target`. Writes nothing unless everything fits.

    DataError if it is not an SD card with Raspberry Pi OS or is too small; UsageError if it is set up for something
    else.
    """
    partition, first_boot, os_release = _prepare(device, target, options)
    with TemporaryDirectory() as temporary:
        staged = Path(temporary)
        release = write_bundle(device, staged / BUNDLE.name, os_release, model=options.model, cache=cache_folder())
        files = _set_up_files(first_boot, os_release)
        if first_boot.has_wifi_key:
            (staged / BUNDLE.name / WIFI_KEY_MARKER).write_text(
                f"{'network-config' if os_release.cloud_init else FIRSTRUN} contains the key of a Wi-Fi network.\n"
            )
        command_line = _read_text(partition, "cmdline.txt")
        files["cmdline.txt"] = kernel_command_line(command_line, first_boot, cloud_init=os_release.cloud_init).encode()
        for name, content in files.items():
            (staged / name).write_bytes(content)
        sizes_bytes = {str(file.relative_to(staged)): file.stat().st_size for file in sorted(_files_in(staged))}
        if not partition.has_room_for(sum(sizes_bytes.values())):
            size_mb = sum(sizes_bytes.values()) / 1e6
            raise DataError(f"{target} has no room for {size_mb:.0f} MB: write Raspberry Pi OS to the SD card again")
        # The command line is last, since it makes the Pi use the rest: until then the SD card boots as before.
        for stage in ((BUNDLE.name,), tuple(name for name in files if name != "cmdline.txt"), ("cmdline.txt",)):
            with TemporaryDirectory(dir=temporary) as part:
                for name in stage:
                    (staged / name).rename(Path(part) / name)
                partition.write(Path(part))
    return FlashResult(os_release, release, first_boot.instance_id, sizes_bytes)


def _prepare(device: Path, target: Path, options: FlashOptions) -> tuple[BootPartition, FirstBoot, OsRelease]:
    """The partition, what the first boot will set up, and the system."""
    partition = open_boot_partition(target)
    os_release = _detect_os_release(partition, target, options)
    _refuse_other_setup(partition, device.name, target, options)
    first_boot = FirstBoot(
        instance_id=f"mien-{device.name}-{secrets.token_hex(6)}",
        hostname=options.hostname or device.name,
        timezone=options.timezone,
        wifi=options.wifi,
        ssh_key=options.ssh_key,
        user=options.user,
        replace=options.replace,
    )
    return partition, first_boot, os_release


def _set_up_files(first_boot: FirstBoot, os_release: OsRelease) -> dict[str, bytes]:
    return cloud_init_files(first_boot) if os_release.cloud_init else {FIRSTRUN: firstrun_script(first_boot)}


def _detect_os_release(partition: BootPartition, target: Path, options: FlashOptions) -> OsRelease:
    missing = [name for name in MARKER_FILES if partition.read(name) is None]
    if missing or "Raspberry Pi" not in _read_text(partition, MARKER_FILES[0]):
        reason = f"it has no {missing[0]}" if missing else f"its {MARKER_FILES[0]} is of another system"
        raise DataError(f"{target} is not an SD card with Raspberry Pi OS ({reason}): write Raspberry Pi OS first")
    if options.os_release is not None:
        return find_os_release(options.os_release)
    return TRIXIE if partition.read("meta-data") is not None else BOOKWORM


def _refuse_other_setup(partition: BootPartition, device: str, target: Path, options: FlashOptions) -> None:
    """UsageError unless the SD card is fresh Raspberry Pi OS, or was flashed for the same device before."""
    if options.replace:
        return
    manifest = partition.read(f"{BUNDLE.name}/manifest.json")
    if manifest is not None:
        current_device = _device_of(manifest)
        if current_device != device:
            raise UsageError(f"{target} is the SD card of {current_device}: use another SD card, or --replace")
        return
    command_line = _read_text(partition, "cmdline.txt")
    if "systemd.run=" in command_line or re.search(r"ds=nocloud\S*;i=(?!mien-)", command_line):
        raise UsageError(
            f"{target} was set up by another program (Raspberry Pi Imager?), which --replace would undo: "
            "write Raspberry Pi OS again without the Imager's settings, or use --replace"
        )


def _device_of(manifest: bytes) -> str:
    try:
        return str(json.loads(manifest)["device"])
    except (ValueError, KeyError, TypeError):
        return "an unknown device"


def _read_text(partition: BootPartition, name: str) -> str:
    return (partition.read(name) or b"").decode(errors="replace")


def _files_in(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file())
