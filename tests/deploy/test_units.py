"""systemd's own programs read the units of `mien server init`."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mien.deploy.server import ServerFolder

UNITS = ["mien-broker.service", "mien-collector.service"]

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed: make system")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return ServerFolder.made(tmp_path / "server", ["localhost"], 8883).path / "systemd"


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *arguments, "--no-pager"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_well_formed(folder: Path, unit: str) -> None:
    told = analyze("verify", "--man=no", str(folder / unit))
    assert unit not in told.stderr
    assert told.returncode == 0
    (folder / unit).write_text((folder / unit).read_text().replace("ExecStart=/", "ExecStart=./"))
    assert analyze("verify", "--man=no", str(folder / unit)).returncode != 0


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_exposed_to_little(folder: Path, unit: str) -> None:
    """Without its hardening it would score 9 of 10."""
    told = analyze("security", "--offline=true", "--threshold=20", str(folder / unit))
    assert told.returncode == 0, told.stdout[-400:]
