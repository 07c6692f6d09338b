"""A server's folder with two devices, and its broker."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mosquitto import Mosquitto, free_port

from mien.deploy.server import ServerFolder


@pytest.fixture
def folder(tmp_path: Path) -> ServerFolder:
    folder = ServerFolder.made(tmp_path / "server", ["localhost", "127.0.0.1"], free_port())
    for name in ("kitchen", "hallway"):
        folder.add(name)
    return folder


@pytest.fixture
def broker(folder: ServerFolder) -> Iterator[Mosquitto]:
    broker = Mosquitto(folder.path / "broker" / "mosquitto.conf", folder.server.port)
    broker.start()
    yield broker
    broker.stop()
