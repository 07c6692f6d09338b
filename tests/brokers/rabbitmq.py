"""RabbitMQ with its MQTT plugin, for one test."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from mosquitto import free_port
from polling import wait_for

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
START_TIMEOUT_S = 120.0


@dataclass(slots=True)
class RabbitMq:
    """A node of its own, with its own epmd, on the loopback interface."""

    folder: Path
    port: int = 0
    _process: "subprocess.Popen[bytes] | None" = None
    _epmd_port: int = 0

    def start(self) -> Self:
        """Start it and wait until it accepts MQTT clients. Skips the test if it is not installed."""
        if not Path(SERVER).exists():
            pytest.skip("RabbitMQ is not installed: make system-all")
        self.port, self._epmd_port = free_port(), free_port()
        config, plugins = self.folder / "rabbitmq.conf", self.folder / "enabled_plugins"
        lines = [
            f"listeners.tcp.1 = 127.0.0.1:{free_port()}",
            f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.port}",
            "mqtt.allow_anonymous = true",
        ]
        config.write_text("\n".join(lines) + "\n")
        plugins.write_text("[rabbitmq_mqtt].\n")
        environment = os.environ | {
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "HOME": str(self.folder),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_NODENAME": f"mien{self.port}@localhost",
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
        }
        log = (self.folder / "output").open("wb")
        with log:
            self._process = subprocess.Popen([SERVER], env=environment, stdout=log, stderr=log, cwd=self.folder)
        wait_for(lambda: self._is_up() or self._has_ended(), START_TIMEOUT_S)
        assert not self._has_ended(), (self.folder / "output").read_text()
        return self

    def kill(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            epmd = shutil.which("epmd")
            assert epmd is not None
            environment = os.environ | {"ERL_EPMD_PORT": str(self._epmd_port)}
            subprocess.run([epmd, "-kill"], env=environment, check=False, capture_output=True)

    def _is_up(self) -> bool:
        logs = list(self.folder.glob("mien*.log"))
        return any("Server startup complete" in log.read_text() for log in logs)

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None
