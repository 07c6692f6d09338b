"""Removes the Wi-Fi's key from the boot partition, which every computer can read, once the Pi needs it there no more.

The first boot has copied it to the Pi's own file system: by cloud-init (trixie), which reads the boot partition only
for a new instance, or by a script (bookworm), which does not run again. The unit of deploy/device/first_boot.py runs
this from the second boot on.
"""

import json
import os
import time
from pathlib import Path

from .erasure import erase
from .errors import InstallError

SCRIPT = "firstrun.sh"
"""bookworm's, with the key in it."""
SCRIPT_HEADER = b"#!/bin/bash\n# Made by `mien flash`"
MARKER = "wifi-key-on-card"
"""The file in the bundle's folder that `mien flash` writes together with a Wi-Fi's key."""
REMOVED = "removed the Wi-Fi's key from the boot partition"
TIMEOUT_S = 3600.0
POLL_S = 5.0


def is_connected(root: Path) -> bool:
    """Whether the Pi has joined a Wi-Fi network, authentication included (operstate of RFC 2863)."""
    try:
        return (root / "sys/class/net/wlan0/operstate").read_text().strip() == "up"
    except OSError:
        return False


def wait_until_connected(root: Path, *, timeout_s: float = TIMEOUT_S) -> None:
    """InstallError if it does not join in time; the next boot waits again."""
    deadline_s = time.monotonic() + timeout_s
    while not is_connected(root):
        if time.monotonic() >= deadline_s:
            raise InstallError(
                "the Pi has not joined its Wi-Fi network: the key stays on the boot partition until then"
            )
        time.sleep(POLL_S)


def forget_wifi_key(bundle: Path) -> str:
    """Overwrite bookworm's script or the networks in network-config; returns a line that reports it."""
    script = bundle.parent / SCRIPT
    report = _erase_script(script) if script.exists() else _overwrite_networks(bundle.parent / "network-config")
    (bundle / MARKER).unlink(missing_ok=True)
    os.sync()
    return report


def _erase_script(script: Path) -> str:
    content = script.read_bytes()
    if any(content) and not content.startswith(SCRIPT_HEADER):  # nothing but zeros is left by a power cut
        return _unchanged(script)
    erase(script)
    return REMOVED


def _overwrite_networks(file: Path) -> str:
    """In place."""
    try:
        content = file.read_bytes()
        config = json.loads(content)
        del config["network"]["wifis"]
    except (OSError, ValueError, KeyError, TypeError):
        return _unchanged(file)
    remaining = json.dumps(config, indent=2).encode()
    with file.open("r+b") as output:  # of the same length, so that it is written to the same place
        output.write(remaining.ljust(len(content) - 1) + b"\n")
        output.flush()
        os.fsync(output.fileno())
    return REMOVED


def _unchanged(file: Path) -> str:
    return f"{file} is not as `mien flash` wrote it: it was left as it is"
