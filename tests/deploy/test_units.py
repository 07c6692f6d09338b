"""systemd's own programs read the units of `mien server init`, and a device's."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mien.deploy.first_start import SETUP_UNIT, FirstStart, setup_unit
from mien.deploy.server import ServerFolder
from mien.deploy.units import AGENT_UNIT, agent_unit

UNITS = ["mien-broker.service", "mien-collector.service", "mien-dashboard.service", AGENT_UNIT]

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed: make system")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    units = ServerFolder.made(tmp_path / "server", ["localhost"], 8883).path / "systemd"
    (units / AGENT_UNIT).write_text(agent_unit())
    (units / SETUP_UNIT).write_text(setup_unit(FirstStart(instance="mien-kitchen-1", hostname="kitchen")))
    return units


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *arguments, "--no-pager"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("unit", [*UNITS, SETUP_UNIT])
def test_a_unit_is_well_formed(folder: Path, unit: str) -> None:
    told = analyze("verify", "--man=no", str(folder / unit))
    newer = ("RestartSteps", "RestartMaxDelaySec")  # than the systemd of bookworm, which ignores them
    assert not [line for line in told.stderr.splitlines() if unit in line and not any(key in line for key in newer)]
    assert told.returncode == 0
    (folder / unit).write_text((folder / unit).read_text().replace("ExecStart=/", "ExecStart=./"))
    assert analyze("verify", "--man=no", str(folder / unit)).returncode != 0


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_exposed_to_little(folder: Path, unit: str) -> None:
    """Without its hardening it would score 9 of 10."""
    told = analyze("security", "--offline=true", "--threshold=20", str(folder / unit))
    assert told.returncode == 0, told.stdout[-400:]
