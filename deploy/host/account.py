"""The system account that the server's programs run as."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from mien.errors import ConfigurationError, MissingExtra

Runner = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]
"""Runs a command of the system and returns its result, whatever its exit code."""


class Account(Protocol):
    """Who the server's programs run as."""

    name: str

    def create(self) -> None:
        """Create it, if it does not exist."""

    def ids(self) -> tuple[int, int]:
        """Its user ID and group ID."""

    def run(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        """Run a command as this account."""

    def remove(self) -> None:
        """Remove it, if it exists: nothing belongs to it any more."""


class SystemAccount:
    """An account that systemd-sysusers creates, without a password, a shell or a home of its own."""

    def __init__(self, name: str, sysusers: Path, home: Path, run: Runner) -> None:
        """`sysusers` is its file in sysusers.d; `home` is only named in the list of accounts."""
        self.name = name
        self._sysusers = sysusers
        self._home = home
        self._run = run

    def create(self) -> None:
        """MissingExtra without systemd-sysusers, ConfigurationError if it fails."""
        if shutil.which("systemd-sysusers") is None:
            raise MissingExtra("systemd-sysusers is missing: install on a Debian with systemd, or use compose.yaml")
        self._sysusers.parent.mkdir(parents=True, exist_ok=True)
        self._sysusers.write_text(f'u {self.name} - "mien server" {self._home}\n')
        self._sysusers.chmod(0o644)
        result = self._run(["systemd-sysusers", str(self._sysusers)])
        if result.returncode:
            reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ConfigurationError(f"the user {self.name} cannot be created ({reason}): see {self._sysusers}")

    def ids(self) -> tuple[int, int]:
        entry = pwd.getpwnam(self.name)
        return entry.pw_uid, entry.pw_gid

    def run(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        user, group = self.ids()
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
        return subprocess.run(
            command,
            user=user,
            group=group,
            extra_groups=[],
            cwd="/",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def remove(self) -> None:
        self._sysusers.unlink(missing_ok=True)
        self._run(["userdel", self.name])  # fails if there is none


def run_command(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run a command of the system. MissingExtra if it is not installed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise MissingExtra(f"{command[0]} is missing: install on a Debian with systemd, or use compose.yaml") from error
