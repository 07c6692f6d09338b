"""`mien server check`: a new folder passes, and problems in another are named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mien.cli import main
from mien.deploy.server.certificate_authority import CertificateAuthority
from mien.deploy.server.folder import ServerFolder
from mien.deploy.systemd_units import find_program

Check = Callable[[], tuple[int, list[dict[str, str]]]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    server = ServerFolder.create(tmp_path / "server", ["localhost"], 8883)
    server.add("kitchen")
    return server.path


@pytest.fixture
def check(path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Runs the command; returns the exit code, and the results that are not ok."""

    def run() -> tuple[int, list[dict[str, str]]]:
        code = main(["server", "check", str(path), "--json"])
        results = json.loads(capsys.readouterr().out)["checks"]
        assert len(results) >= 4
        return code, [result for result in results if result["level"] != "ok"]

    return run


@pytest.mark.skipif(find_program("mosquitto") is None or find_program("systemd-analyze") is None, reason="make system")
def test_a_new_folder_passes(check: Check) -> None:
    assert check() == (0, [])


def test_a_key_that_others_can_read_is_an_error(path: Path, check: Check) -> None:
    key = path / "devices" / "kitchen" / "device.key"
    key.chmod(0o640)
    code, (problem,) = check()
    assert code == 1
    assert problem["message"] == f"{key} is open to other users"


def test_certificates_of_others_and_those_that_expire_are_named(tmp_path: Path, path: Path, check: Check) -> None:
    own = CertificateAuthority(path / "certificate-authority")
    other = CertificateAuthority.create(tmp_path / "other", "elsewhere")
    file = path / "devices" / "kitchen" / "device.crt"
    for identity, level, message in [
        (other.issue_client("kitchen"), "error", "was not issued by this certificate authority"),
        (own.issue_client("kitchen", days=-1), "error", "expires on"),
        (own.issue_client("kitchen", days=30), "warning", "expires on"),
    ]:
        file.write_bytes(identity.certificate)
        code, (problem,) = check()
        assert (code, problem["level"]) == (int(level == "error"), level)
        assert message in problem["message"]


@pytest.mark.skipif(find_program("mosquitto") is None, reason="mosquitto is not installed: make system")
def test_a_configuration_that_mosquitto_rejects_is_an_error(path: Path, check: Check) -> None:
    file = path / "mosquitto" / "mosquitto.conf"
    file.write_text(file.read_text() + "allow_everybody true\n")
    code, (problem,) = check()
    assert code == 1
    assert (problem["subject"], problem["level"]) == ("mosquitto", "error")
    assert "rejects its configuration" in problem["message"]
    assert "allow_everybody" in problem["message"]


def test_settings_that_the_collector_rejects_are_an_error(path: Path, check: Check) -> None:
    file = path / "collector" / "collector.toml"
    file.write_text(file.read_text().replace("database", "databank"))
    code, (problem,) = check()
    assert code == 1
    assert "unknown key databank: did you mean database?" in problem["message"]


@pytest.mark.skipif(find_program("systemd-analyze") is None, reason="systemd is not installed: make system")
def test_a_unit_that_systemd_rejects_is_an_error(path: Path, check: Check) -> None:
    unit = path / "systemd" / "mien-mosquitto.service"
    unit.write_text(unit.read_text().replace("ExecStart=/", "ExecStart=./"))
    code, (problem,) = check()
    assert code == 1
    assert "systemd rejects mien-mosquitto.service" in problem["message"]
