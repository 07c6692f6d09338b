"""`mien doctor` says whether the clock is synchronized, and how it knows."""

from pathlib import Path
from typing import Literal

import pytest
from fake_program import install_program

from mien.checks import CheckResult
from mien.edge.camera.settings import DemoCameraSettings
from mien.edge.health.diagnostics import CHECKS
from mien.edge.motion.settings import AlwaysOnSettings
from mien.edge.settings import AgentSettings


def check_clock(clock: Literal["ntp", "trusted"]) -> CheckResult:
    settings = AgentSettings(
        device="hallway",
        clock=clock,
        motion=AlwaysOnSettings(),
        camera=DemoCameraSettings(),
    )
    (result,) = CHECKS["clock"](settings)
    return result


@pytest.mark.parametrize(
    ("answer", "level", "text"),
    [("b true", "ok", "synchronized, says timedated"), ("b false", "warning", "not synchronized (timedated)")],
)
def test_the_clock_is_ok_if_it_is_synchronized(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, level: str, text: str
) -> None:
    install_program(tmp_path, monkeypatch, "busctl", f"#!/bin/sh\necho {answer}\n")
    result = check_clock("ntp")
    assert result.level == level
    assert text in result.message


def test_a_trusted_clock_is_ok_without_asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_program(tmp_path, monkeypatch, "busctl", f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    assert check_clock("trusted").level == "ok"
    assert not (tmp_path / "asked").exists()
