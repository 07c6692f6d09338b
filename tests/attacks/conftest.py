"""What all attacks share: they run against real services, so `make quick` leaves them out."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mosquitto import Mosquitto, free_port
from postgresql import reading_url
from sqlalchemy import Engine

from mien.broker.database.engine import open_for_writing
from mien.deploy.server.folder import ServerFolder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all of them as tests that start a service."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.service)


@pytest.fixture
def server(tmp_path: Path) -> ServerFolder:
    """A server folder with two devices, whose MQTT broker also writes a log."""
    server = ServerFolder.create(tmp_path / "server", ["localhost", "127.0.0.1"], free_port())
    for name in ("kitchen", "hallway"):
        server.add(name)
    with (server.path / "mosquitto" / "mosquitto.conf").open("a") as configuration:
        configuration.write(f"log_dest file {server.path}/mosquitto/data/log\n")
    return server


@pytest.fixture
def broker(server: ServerFolder) -> Iterator[Mosquitto]:
    broker = Mosquitto(server.path / "mosquitto" / "mosquitto.conf", server.server.port).start()
    yield broker
    broker.kill()


@pytest.fixture
def broker_log(server: ServerFolder) -> Path:
    """What the MQTT broker logs."""
    return server.path / "mosquitto" / "data" / "log"


@pytest.fixture
def writer(log: str) -> Engine:
    """A new emotion log, for writing."""
    return open_for_writing(log)


@pytest.fixture
def reading(log: str, writer: Engine) -> str:
    """The same log, for a role that can only read."""
    return reading_url(log)
