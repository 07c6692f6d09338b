"""A real MQTT broker for one test."""

import getpass
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from waiting import wait_for


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@dataclass(slots=True)
class Mosquitto:
    """mosquitto by a configuration file that has it listen on this port; it can be killed and started again."""

    configuration: Path
    port: int
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and wait until it answers. Skips the test where mosquitto is not installed."""
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        if program is None:
            pytest.skip("mosquitto is not installed: make system")
        self._process = subprocess.Popen([program, "-c", str(self.configuration)], stderr=subprocess.DEVNULL)
        wait_for(self._answers)
        return self

    def stop(self) -> None:
        """As an administrator would."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def kill(self) -> None:
        """kill -9: whatever it only had in memory is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
                return True
        except OSError:
            return False


def configured(folder: Path, *lines: str) -> Mosquitto:
    """mosquitto on a port of its own of the loopback, with these lines of configuration."""
    port = free_port()
    configuration = folder / f"mosquitto-{port}.conf"
    # As root mosquitto would turn into a user that cannot read the test's folder.
    own = [f"listener {port} 127.0.0.1", f"user {getpass.getuser()}"]
    configuration.write_text("\n".join([*own, *(lines or ["allow_anonymous true"])]) + "\n")
    return Mosquitto(configuration, port)
