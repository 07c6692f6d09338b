"""A server folder with two devices, its MQTT broker, and bundles of the devices."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bundles import BundleFactory, FakeService, bundle_factory
from mosquitto import Mosquitto, free_port

from mien.deploy.installer.installation import Installation
from mien.deploy.server.folder import ServerFolder


@pytest.fixture
def server(tmp_path: Path) -> ServerFolder:
    server = ServerFolder.create(tmp_path / "server", ["localhost", "127.0.0.1"], free_port())
    for name in ("kitchen", "hallway"):
        server.add(name)
    return server


@pytest.fixture
def broker(server: ServerFolder) -> Iterator[Mosquitto]:
    broker = Mosquitto(server.path / "mosquitto" / "mosquitto.conf", server.server.port)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def make_bundle(tmp_path: Path, server: ServerFolder) -> BundleFactory:
    return bundle_factory(tmp_path, server)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def installation(root: Path, service: FakeService) -> Installation:
    return Installation(root, service)
