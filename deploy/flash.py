"""Puts a device on a card with Raspberry Pi OS: its kit, and what sets the Pi up at its first start."""

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mien.errors import DataError, UsageError

from .boot_partition import BootPartition, open_partition
from .first_start import KIT, FirstStart, Wifi, command_line, files, first_run
from .kit import write_kit
from .packages import cache
from .raspberry_pi_os import BOOKWORM, TRIXIE, Release, release_of

MARKS = ("issue.txt", "config.txt", "cmdline.txt")
"""What each boot partition of Raspberry Pi OS has; the first says what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a Pi shall be, besides its device."""

    hostname: str | None = None
    """By default the device's name."""
    timezone: str | None = None
    wifi: Wifi | None = None
    ssh_key: str | None = None
    user: str = "pi"
    model: Path | None = None
    """Instead of mien's own."""
    system: str | None = None
    """trixie or bookworm; by default what the card looks like."""
    replace: bool = False
    """Take a card that is set up for something else, and a Pi that is another device."""


@dataclass(frozen=True, slots=True)
class Flashed:
    """What was written."""

    system: Release
    release: str
    instance: str
    sizes: dict[str, int]
    """Bytes by name, in the order of writing."""


def flash(device: Path, place: Path, setup: Setup) -> Flashed:
    """Put the device whose folder this is on the card at a place. Nothing is written unless everything fits.

    DataError if it is no card of Raspberry Pi OS, or has no room; UsageError if it is set up for something else.
    """
    card = open_partition(place)
    system = _system(card, place, setup)
    _refuse_foreign(card, device.name, place, setup)
    first = FirstStart(
        instance=f"mien-{device.name}-{secrets.token_hex(6)}",
        hostname=setup.hostname or device.name,
        timezone=setup.timezone,
        wifi=setup.wifi,
        ssh_key=setup.ssh_key,
        user=setup.user,
        replace=setup.replace,
    )
    with TemporaryDirectory() as temporary:
        staged = Path(temporary)
        release = write_kit(device, staged / KIT.name, system, model=setup.model, cache=cache())
        given = files(first) if system.cloud_init else {"firstrun.sh": first_run(first)}
        kernel = _text(card, "cmdline.txt")
        given["cmdline.txt"] = command_line(kernel, first, cloud_init=system.cloud_init).encode()
        for name, content in given.items():
            (staged / name).write_bytes(content)
        sizes = {str(file.relative_to(staged)): file.stat().st_size for file in sorted(_files_in(staged))}
        if not card.has_room_for(sum(sizes.values())):
            wanted = sum(sizes.values()) / 1e6
            raise DataError(f"{place} has no room for {wanted:.0f} MB: write Raspberry Pi OS to the card anew")
        # Last what makes the Pi look for the rest: pulled out before, the card is as it was.
        for stage in ((KIT.name,), tuple(name for name in given if name != "cmdline.txt"), ("cmdline.txt",)):
            with TemporaryDirectory(dir=temporary) as part:
                for name in stage:
                    (staged / name).rename(Path(part) / name)
                card.put(Path(part))
    return Flashed(system, release, first.instance, sizes)


def _system(card: BootPartition, place: Path, setup: Setup) -> Release:
    missing = [name for name in MARKS if card.read(name) is None]
    if missing or "Raspberry Pi" not in _text(card, MARKS[0]):
        what = f"it has no {missing[0]}" if missing else f"its {MARKS[0]} is another system's"
        raise DataError(f"{place} is no card of Raspberry Pi OS ({what}): write that to it first")
    if setup.system is not None:
        return release_of(setup.system)
    return TRIXIE if card.read("meta-data") is not None else BOOKWORM


def _refuse_foreign(card: BootPartition, device: str, place: Path, setup: Setup) -> None:
    """A card is taken as Raspberry Pi OS comes, or as flashed for the same device before."""
    if setup.replace:
        return
    manifest = card.read(f"{KIT.name}/manifest.json")
    if manifest is not None:
        other = _device(manifest)
        if other != device:
            raise UsageError(f"{place} is the card of {other}: take another one, or say --replace")
        return
    kernel = _text(card, "cmdline.txt")
    if "systemd.run=" in kernel or re.search(r"ds=nocloud\S*;i=(?!mien-)", kernel):
        raise UsageError(
            f"{place} is set up by another program (Raspberry Pi Imager?), which --replace would undo: "
            "write Raspberry Pi OS anew without its settings, or say --replace"
        )


def _device(manifest: bytes) -> Any:
    try:
        return json.loads(manifest)["device"]
    except (ValueError, KeyError, TypeError):
        return "an unknown device"


def _text(card: BootPartition, name: str) -> str:
    return (card.read(name) or b"").decode(errors="replace")


def _files_in(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file())
