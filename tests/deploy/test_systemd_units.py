"""systemd's own programs check the units of `mien server init` and those of a device."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mien.deploy.device.first_boot import FIRST_BOOT_UNIT, WIFI_KEY_UNIT, FirstBoot, first_boot_unit, wifi_key_unit
from mien.deploy.server.folder import ServerFolder
from mien.deploy.systemd_units import AGENT_UNIT, agent_unit

UNITS = [
    "mien-mosquitto.service",
    "mien-collector.service",
    "mien-dashboard.service",
    AGENT_UNIT,
    FIRST_BOOT_UNIT,
    WIFI_KEY_UNIT,
]

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed: make system")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    units = ServerFolder.create(tmp_path / "server", ["localhost"], 8883).path / "systemd"
    (units / AGENT_UNIT).write_text(agent_unit())
    first_boot = FirstBoot(instance_id="mien-kitchen-1", hostname="kitchen")
    (units / FIRST_BOOT_UNIT).write_text(first_boot_unit(first_boot))
    (units / WIFI_KEY_UNIT).write_text(wifi_key_unit())
    return units


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *arguments, "--no-pager"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_well_formed(units: Path, unit: str) -> None:
    result = analyze("verify", "--man=no", str(units / unit))
    newer = ("RestartSteps", "RestartMaxDelaySec")  # than bookworm's systemd, which ignores them
    assert not [line for line in result.stderr.splitlines() if unit in line and not any(key in line for key in newer)]
    assert result.returncode == 0
    (units / unit).write_text((units / unit).read_text().replace("ExecStart=/", "ExecStart=./"))
    assert analyze("verify", "--man=no", str(units / unit)).returncode != 0


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_hardened(units: Path, unit: str) -> None:
    """Without its hardening it would have an exposure level of 9 out of 10."""
    text = (units / unit).read_text()
    (units / unit).write_text(text.replace("User=root\n", "User=mien\n"))  # who runs the tests would run the server
    result = analyze("security", "--offline=true", "--threshold=15", str(units / unit))
    assert result.returncode == 0, result.stdout[-400:]
