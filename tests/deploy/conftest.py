"""A server's folder with two devices, its broker, and kits of the devices."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kits import NewKit, Supervisor, kit_maker
from mosquitto import Mosquitto, free_port

from mien.deploy.installer import Installation
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


@pytest.fixture
def new_kit(tmp_path: Path, folder: ServerFolder) -> NewKit:
    return kit_maker(tmp_path, folder)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def supervisor() -> Supervisor:
    return Supervisor()


@pytest.fixture
def installation(root: Path, supervisor: Supervisor) -> Installation:
    return Installation(root, supervisor)
