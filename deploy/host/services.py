"""The server's units, as systemd runs them."""

from collections.abc import Sequence
from typing import Protocol

from mien.errors import ConfigurationError

from .account import Runner


class Services(Protocol):
    """What runs the server's programs."""

    def enable(self, units: Sequence[str]) -> None:
        """Start these whenever the system starts."""

    def restart(self, units: Sequence[str]) -> None:
        """Start or restart these now, without waiting until they are ready."""

    def stop(self, units: Sequence[str]) -> None:
        """Stop these now, those that run; wait until they have ended."""

    def disable(self, units: Sequence[str]) -> None:
        """Do not start these with the system any more."""

    def reload(self) -> None:
        """Read the units' files again."""

    def state(self, unit: str) -> str:
        """`active`, `activating`, `failed`, `inactive` or another word of systemd's."""


class Systemd:
    """systemd, by systemctl."""

    def __init__(self, run: Runner) -> None:
        self._run = run

    def enable(self, units: Sequence[str]) -> None:
        """ConfigurationError if systemd rejects a unit."""
        self._must("enable", "--quiet", *units)

    def restart(self, units: Sequence[str]) -> None:
        """ConfigurationError if systemd rejects a unit."""
        self._run(["systemctl", "reset-failed", *units])
        self._must("restart", "--no-block", *units)

    def stop(self, units: Sequence[str]) -> None:
        for unit in units:  # one that is not loaded must not keep the others running
            self._run(["systemctl", "stop", unit])

    def disable(self, units: Sequence[str]) -> None:
        for unit in units:
            self._run(["systemctl", "disable", "--quiet", unit])

    def reload(self) -> None:
        self._must("daemon-reload")

    def state(self, unit: str) -> str:
        return self._run(["systemctl", "is-active", unit]).stdout.strip() or "unknown"

    def _must(self, *arguments: str) -> None:
        result = self._run(["systemctl", *arguments])
        if result.returncode:
            reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ConfigurationError(
                f"`systemctl {' '.join(arguments)}` failed ({reason}): see that systemd runs this system"
            )
