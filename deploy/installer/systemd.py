"""The agent's service, as systemd runs it."""

import subprocess
from pathlib import Path
from typing import Protocol

from .errors import InstallError

AGENT_UNIT = "mien-agent.service"
FIRST_BOOT_UNIT = "mien-first-boot.service"
WIFI_KEY_UNIT = "mien-wifi-key.service"


class Service(Protocol):
    """What runs the agent."""

    def enable(self) -> None:
        """Start the agent whenever the system starts."""

    def restart(self) -> bool:
        """Start or restart the agent now; False if it did not become ready."""

    def remove(self) -> None:
        """Stop the agent, and do not start it with the system any more."""


class Systemd:
    """The agent's unit in the running system, or in a system under another root."""

    def __init__(self, root: Path) -> None:
        self._is_live = root == Path("/")
        self._systemctl = ["systemctl"] if self._is_live else ["systemctl", f"--root={root}"]

    def enable(self) -> None:
        """InstallError if systemd rejects the unit."""
        if self._is_live:
            self._run("daemon-reload")
        if not self._run("enable", AGENT_UNIT):
            raise InstallError(f"systemd rejects {AGENT_UNIT} (see above): fix that and install again")

    def restart(self) -> bool:
        # With Type=notify, systemctl returns once the agent has reported that it is ready, or has exited.
        return not self._is_live or self._run("restart", AGENT_UNIT)

    def remove(self) -> None:
        if self._is_live:
            self._run("stop", AGENT_UNIT)
        self._run("disable", AGENT_UNIT)

    def _run(self, *arguments: str) -> bool:
        try:
            return subprocess.run([*self._systemctl, *arguments], check=False).returncode == 0
        except FileNotFoundError as error:
            raise InstallError("systemctl is missing: install on Raspberry Pi OS") from error
