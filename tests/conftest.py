"""Fixtures that the tests of several packages share."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from mosquitto import Mosquitto, configure_mosquitto
from postgresql import PostgreSQL, running_postgresql

SERVICE_FIXTURES = {"start_mosquitto", "postgresql_server", "mosquitto", "broker", "server_broker", "browser", "wheel"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start a service, a browser or a build: `make quick` leaves them out."""
    for item in items:
        fixtures: set[str] = set(getattr(item, "fixturenames", ()))
        parameters = getattr(item, "callspec", None)
        if fixtures & SERVICE_FIXTURES or (parameters and parameters.params.get("log") == "postgresql"):
            item.add_marker(pytest.mark.service)


@pytest.fixture(autouse=True)
def _keep_log_level() -> Iterator[None]:
    """`mien doctor` raises the root logger's level; the tests after it in the same process must see warnings."""
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """A function that starts mosquitto on a free port, with optional configuration lines, until the test ends."""
    brokers: list[Mosquitto] = []

    def start(*lines: str) -> Mosquitto:
        broker = configure_mosquitto(tmp_path, *lines)
        brokers.append(broker)
        return broker.start()

    yield start
    for broker in brokers:
        broker.kill()


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    """One PostgreSQL server for all tests; each test creates its own database."""
    with running_postgresql() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The path or URL of an emotion log that does not exist yet: each test that requests it runs on both databases."""
    if request.param == "sqlite":
        return str(tmp_path / "mien.db")
    server: PostgreSQL = request.getfixturevalue("postgresql_server")
    return server.database(uuid4().hex)
