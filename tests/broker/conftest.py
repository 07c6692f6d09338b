"""Where the broker's tests store: each test that asks for `log` runs on SQLite and on PostgreSQL."""

from pathlib import Path
from uuid import uuid4

import pytest
from postgresql import PostgreSQL


@pytest.fixture(params=["sqlite", "postgresql"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The path or URL of an emotion log that does not exist yet."""
    if request.param == "sqlite":
        return str(tmp_path / "mien.db")
    server: PostgreSQL = request.getfixturevalue("postgresql_server")
    return server.database(uuid4().hex)
