"""Fixtures of more than one room."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import postgresql
import pytest
from mosquitto import Mosquitto, configured


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Start mosquitto on a port of its own, with lines of configuration if need be; it ends with the test."""
    started: list[Mosquitto] = []

    def start(*lines: str) -> Mosquitto:
        broker = configured(tmp_path, *lines)
        started.append(broker)
        return broker.start()

    yield start
    for broker in started:
        broker.kill()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[postgresql.PostgreSQL]:
    """One PostgreSQL server for all tests; each takes a database of its own."""
    with postgresql.running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The path or URL of an emotion log that does not exist yet: each test that asks for it runs on both stores."""
    if request.param == "sqlite":
        return str(tmp_path / "mien.db")
    server: postgresql.PostgreSQL = request.getfixturevalue("postgresql_server")
    return server.database(uuid4().hex)
