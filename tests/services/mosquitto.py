"""A real MQTT broker for one test."""

import getpass
import itertools
import random
import shutil
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from polling import wait_for

PORTS = range(20_000, 32_000)
"""Below the ports that Linux gives to outgoing connections: those could take a port before the test's server does."""
_ports = itertools.cycle(random.sample(PORTS, len(PORTS)))


def free_port() -> int:
    """A TCP port of the loopback interface that is not in use, and that no other test was given recently."""
    for port in _ports:
        with suppress(OSError), socket.create_server(("127.0.0.1", port), reuse_port=False):
            return port
    raise AssertionError  # the cycle has no end


@dataclass(slots=True)
class Mosquitto:
    """mosquitto with a configuration file that makes it listen on `port`; it can be killed and started again."""

    config: Path
    port: int
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and wait until it accepts connections. Skips the test if mosquitto is not installed."""
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        if program is None:
            pytest.skip("mosquitto is not installed: make system")
        self._process = subprocess.Popen([program, "-c", str(self.config)], stderr=subprocess.DEVNULL)
        wait_for(self._is_up)
        return self

    def stop(self) -> None:
        """Terminate it, as an administrator would."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def kill(self) -> None:
        """kill -9: everything that it only had in memory is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _is_up(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
                return True
        except OSError:
            return False


def configure_mosquitto(folder: Path, *lines: str) -> Mosquitto:
    """mosquitto on a free port of the loopback interface, with these configuration lines, or open to all clients."""
    port = free_port()
    config = folder / f"mosquitto-{port}.conf"
    # Started as root, mosquitto would switch to a user that cannot read the test's folder.
    basics = [f"listener {port} 127.0.0.1", f"user {getpass.getuser()}"]
    config.write_text("\n".join([*basics, *(lines or ["allow_anonymous true"])]) + "\n")
    return Mosquitto(config, port)
