"""The installer's command line: `install.sh` runs this package from the bundle that contains it."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .bundle import Bundle
from .errors import InstallError
from .installation import Installation
from .systemd import Systemd
from .wifi_key import forget_wifi_key, wait_until_connected


def main(arguments: Sequence[str] | None = None) -> int:
    """Install or remove; returns the exit code, 1 after an error, which is printed as one line."""
    parser = argparse.ArgumentParser(prog="install.sh", description="Installs, upgrades or removes mien's agent.")
    actions = ["install", "uninstall", "forget-wifi-key"]
    parser.add_argument("action", nargs="?", choices=actions, default="install")
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="install into the system under DIR")
    parser.add_argument("--replace", action="store_true", help="install even if this Pi is another device")
    options = parser.parse_args(arguments)
    root: Path = options.root.resolve()
    installation = Installation(root, Systemd(root))
    try:
        if root == Path("/") and os.geteuid() != 0:
            raise InstallError("the installer needs root: run it with sudo")
        if options.action == "uninstall":
            print(installation.uninstall())
        elif options.action == "forget-wifi-key":
            wait_until_connected(root)
            print(forget_wifi_key(Path(__file__).resolve().parents[1]))
        else:
            print(installation.install(Bundle(Path(__file__).resolve().parents[1]), replace=options.replace))
    except (InstallError, OSError, subprocess.CalledProcessError) as error:
        print(f"mien: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
