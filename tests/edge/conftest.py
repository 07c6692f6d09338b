"""An outbox of its own for each test that asks for one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mien.edge.outbox import Outbox


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    file = tmp_path / "machine-id"
    file.write_text("aaaa\n")
    return file


@pytest.fixture
def open_outbox(tmp_path: Path, machine: Path) -> Callable[..., Outbox]:
    """Open the test's outbox; a small cap if it says so."""
    return lambda cap=None: Outbox(tmp_path / "outbox.db", device="hallway", cap=cap, machine_id=machine)
