"""A Raspberry Pi in a folder: its programs run under qemu, as a user without privileges, and its agent as a service."""

import os
import re
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from select import select
from typing import Self

NOBODY = 65534
READY_S = 120.0
"""An emulated processor takes half a minute to import what the agent needs."""


class EmulatedPi:
    """A system under `root`, with the Debian of arm64 in `debian`; use as a context manager."""

    def __init__(self, emulator: Path, debian: Path, root: Path) -> None:
        self._emulator = emulator
        self._debian = debian
        self.root = root

    def python(self, *arguments: str | Path, **environment: str) -> list[str]:
        """The command that runs its Python."""
        settings = {"QEMU_CPU": "cortex-a72", "QEMU_LD_PREFIX": self._debian, "PYTHONHOME": self._debian / "usr"}
        variables = [f"{name}={value}" for name, value in (settings | environment).items()]
        return ["env", *variables, str(self._emulator), str(self._debian / "usr/bin/python3.13"), *map(str, arguments)]

    def run(self, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run its Python, and give what it says."""
        command = self.python(*arguments, **environment)
        return subprocess.run(command, capture_output=True, text=True, check=False, **unprivileged(), cwd=self.root)


class Agent:
    """The agent's unit on an emulated Pi, in systemd's place: command and environment are the unit's own.

    Paths of the unit are those under the Pi's root, since nothing here may change its root folder.
    """

    def __init__(self, pi: EmulatedPi) -> None:
        self._pi = pi
        self._process: subprocess.Popen[bytes] | None = None
        self.log = Path(tempfile.mkdtemp(dir=pi.root)) / "journal"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def enable(self) -> None:
        """It starts when it is told to."""

    def restart(self) -> bool:
        """Stop what runs, start what the unit says, and wait for its own word that it is ready (sd_notify)."""
        self.remove()
        unit = (self._pi.root / "etc/systemd/system/mien-agent.service").read_text()
        command = self._here(re.findall(r"^ExecStart=/usr/bin/python3 (.*)$", unit, re.MULTILINE)[0]).split()
        given = " ".join(re.findall(r"^Environment=(.*)$", unit, re.MULTILINE))
        environment = dict(pair.split("=", 1) for pair in self._here(given).split())
        for folder in ("run/mien", "var/lib/mien", "var/cache/mien"):  # as systemd makes them
            made = self._pi.root / folder
            made.mkdir(parents=True, exist_ok=True)
            give(made)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
            address = f"{self.log.parent}/notify"
            Path(address).unlink(missing_ok=True)
            notified.bind(address)
            give(Path(address).parent)
            Path(address).chmod(0o777)
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._pi.python(*command, NOTIFY_SOCKET=address, **environment),
                    stderr=log,
                    cwd=self._pi.root / "run/mien",
                    **unprivileged(),
                )
            return self._gets_ready(notified)

    def remove(self) -> None:
        """Stop it, as systemd does."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def _gets_ready(self, notified: socket.socket) -> bool:
        waited_s = 0.0
        while waited_s < READY_S and self._process is not None and self._process.poll() is None:
            if select([notified], [], [], 0.5)[0]:
                return b"READY=1" in notified.recv(4096)
            waited_s += 0.5
        return False

    def _here(self, words: str) -> str:
        return re.sub(r"(?<![\w./])/(etc|opt|run|var)/", rf"{self._pi.root}/\1/", words)


def unprivileged() -> dict[str, int | Sequence[int]]:
    """How a child process becomes nobody; one that is nobody special already stays what it is."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def give(place: Path) -> None:
    """Give a folder and all in it to the user that programs of the Pi run as."""
    if os.geteuid() == 0:
        for path in (place, *place.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
