"""A Raspberry Pi in a folder: qemu runs its programs as an unprivileged user, and its agent as a service."""

import os
import re
import socket
import subprocess
import tempfile
from pathlib import Path
from select import select
from typing import Self

NOBODY = 65534
UNPRIVILEGED_USER = NOBODY if os.geteuid() == 0 else None
"""Only root can run programs as another user."""
EXTRA_GROUPS: list[int] | None = [] if os.geteuid() == 0 else None
READY_TIMEOUT_S = 120.0
"""An emulated processor takes half a minute to import what the agent needs."""


class EmulatedPi:
    """A system under `root`, with the arm64 Debian in `debian`."""

    def __init__(self, emulator: Path, debian: Path, root: Path) -> None:
        self._emulator = emulator
        self._debian = debian
        self.root = root

    def python_command(self, *arguments: str | Path, **environment: str) -> list[str]:
        """The command that runs its Python."""
        settings = {"QEMU_CPU": "cortex-a72", "QEMU_LD_PREFIX": self._debian, "PYTHONHOME": self._debian / "usr"}
        variables = [f"{name}={value}" for name, value in (settings | environment).items()]
        return ["env", *variables, str(self._emulator), str(self._debian / "usr/bin/python3.13"), *map(str, arguments)]

    def run(self, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run its Python; returns the exit code and the output."""
        command = self.python_command(*arguments, **environment)
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.root,
            user=UNPRIVILEGED_USER,
            group=UNPRIVILEGED_USER,
            extra_groups=EXTRA_GROUPS,
        )

    def run_installer(self, bundle: Path) -> subprocess.CompletedProcess[str]:
        """Run a bundle's installer as its install.sh does."""
        script = (bundle / "install.sh").read_text()
        (options,) = re.findall(r'^PYTHONPATH="\$\(dirname "\$0"\)" exec python3 (.*) "\$@"$', script, re.MULTILINE)
        return self.run(*options.split(), "--root", self.root, PYTHONPATH=str(bundle))


class EmulatedService:
    """The agent's unit on an emulated Pi, in systemd's place: it runs the unit's command and environment.

    The unit's paths are placed under the Pi's root, since nothing here may change its root folder.
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
        """Nothing to do: it only starts on request."""

    def restart(self) -> bool:
        """Stop the agent, start the unit's command, and wait until it reports that it is ready (sd_notify)."""
        self.remove()
        unit = (self._pi.root / "etc/systemd/system/mien-agent.service").read_text()
        command = self._relocate(re.findall(r"^ExecStart=/usr/bin/python3 (.*)$", unit, re.MULTILINE)[0]).split()
        variables = " ".join(re.findall(r"^Environment=(.*)$", unit, re.MULTILINE))
        environment = dict(pair.split("=", 1) for pair in self._relocate(variables).split())
        for name in ("run/mien", "var/lib/mien", "var/cache/mien"):  # as systemd creates them
            folder = self._pi.root / name
            folder.mkdir(parents=True, exist_ok=True)
            chown_to_unprivileged_user(folder)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify_socket:
            address = f"{self.log.parent}/notify"
            Path(address).unlink(missing_ok=True)
            notify_socket.bind(address)
            chown_to_unprivileged_user(Path(address).parent)
            Path(address).chmod(0o777)
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._pi.python_command(*command, NOTIFY_SOCKET=address, **environment),
                    stderr=log,
                    cwd=self._pi.root / "run/mien",
                    user=UNPRIVILEGED_USER,
                    group=UNPRIVILEGED_USER,
                    extra_groups=EXTRA_GROUPS,
                )
            return self._wait_until_ready(notify_socket)

    def remove(self) -> None:
        """Stop it, as systemd would."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def _wait_until_ready(self, notify_socket: socket.socket) -> bool:
        waited_s = 0.0
        while waited_s < READY_TIMEOUT_S and self._process is not None and self._process.poll() is None:
            if select([notify_socket], [], [], 0.5)[0]:
                return b"READY=1" in notify_socket.recv(4096)
            waited_s += 0.5
        return False

    def _relocate(self, text: str) -> str:
        """Put absolute paths under the Pi's root."""
        return re.sub(r"(?<![\w./])/(etc|opt|run|var)/", rf"{self._pi.root}/\1/", text)


def chown_to_unprivileged_user(folder: Path) -> None:
    """Make the user that runs the Pi's programs own a folder and everything in it."""
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
