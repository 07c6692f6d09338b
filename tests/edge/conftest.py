"""Fixtures for an outbox on a machine of the test."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mien.edge.delivery.outbox import Outbox


@pytest.fixture
def machine_id_file(tmp_path: Path) -> Path:
    file = tmp_path / "machine-id"
    file.write_text("aaaa\n")
    return file


@pytest.fixture
def open_outbox(tmp_path: Path, machine_id_file: Path) -> Callable[..., Outbox]:
    """A function that opens the test's outbox, with limits and another device's name if given."""
    path = tmp_path / "outbox.db"
    return lambda limits=None, device="hallway": Outbox(
        path, device=device, limits=limits, machine_id_file=machine_id_file
    )
