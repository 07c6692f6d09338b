"""`mien doctor` opens the outbox that the agent opens, whatever its name, and says what is true of it."""

import os
from pathlib import Path

import pytest
from samples import make_draft

from mien.checks import CheckResult
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.health.diagnostics import CHECKS
from mien.edge.settings import AgentSettings

NAMES = [b"out%20box?mode=x#.db", b"file:outbox.db", b"K\xfcche/\xff.db"]


def check_outbox(path: Path) -> CheckResult:
    (result,) = CHECKS["outbox"](AgentSettings(device="hallway", outbox=str(path), outbox_max_mb=1))
    return result


@pytest.mark.parametrize("name", NAMES)
def test_an_outbox_of_any_name_is_the_same_to_agent_and_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(os.fsdecode(name))
    with Outbox(path, device="hallway") as outbox:
        outbox.append(make_draft(), Clock("trusted").now())
        assert path.is_file()
        result = check_outbox(path)
    assert (result.level, result.message.split(", ")[-1]) == ("ok", "1 observations waiting")


def test_only_a_corrupt_outbox_is_said_to_be_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "outbox.db"
    file.write_bytes(b"no database" * 100)
    assert check_outbox(file).hint == "the agent will set it aside and start a new one"
    file.unlink()
    file.mkdir()
    assert check_outbox(file).hint == "check its owner and permissions"
