"""`mien server check`: a sound folder is, and what is wrong with another is named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mien.command import main
from mien.deploy.authority import Authority
from mien.deploy.server import ServerFolder
from mien.deploy.units import program

Check = Callable[[], tuple[int, list[dict[str, str]]]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = ServerFolder.made(tmp_path / "server", ["localhost"], 8883)
    folder.add("kitchen")
    return folder.path


@pytest.fixture
def check(path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Ask; the exit code, and what is not ok."""

    def ask() -> tuple[int, list[dict[str, str]]]:
        code = main(["server", "check", str(path), "--json"])
        checks = json.loads(capsys.readouterr().out)["checks"]
        assert len(checks) >= 4
        return code, [one for one in checks if one["level"] != "ok"]

    return ask


@pytest.mark.skipif(program("mosquitto") is None or program("systemd-analyze") is None, reason="make system")
def test_a_new_folder_is_sound(check: Check) -> None:
    assert check() == (0, [])


def test_an_open_key_is_an_error(path: Path, check: Check) -> None:
    key = path / "devices" / "kitchen" / "device.key"
    key.chmod(0o640)
    code, (found,) = check()
    assert code == 1
    assert found["message"] == f"{key} is open to other users"


def test_certificates_of_others_and_those_that_end_are_told(tmp_path: Path, path: Path, check: Check) -> None:
    own, stranger = Authority(path / "authority"), Authority.found(tmp_path / "stranger", "elsewhere")
    file = path / "devices" / "kitchen" / "device.crt"
    for identity, level, words in [
        (stranger.client("kitchen"), "error", "is not of this authority"),
        (own.client("kitchen", days=-1), "error", "ends on"),
        (own.client("kitchen", days=30), "warning", "ends on"),
    ]:
        file.write_bytes(identity.certificate)
        code, (found,) = check()
        assert (code, found["level"]) == (int(level == "error"), level)
        assert words in found["message"]


@pytest.mark.skipif(program("mosquitto") is None, reason="mosquitto is not installed: make system")
def test_a_configuration_that_mosquitto_does_not_take_is_an_error(path: Path, check: Check) -> None:
    conf = path / "broker" / "mosquitto.conf"
    conf.write_text(conf.read_text() + "allow_everybody true\n")
    code, (found,) = check()
    assert code == 1
    assert "mosquitto does not take its configuration" in found["message"]
    assert "allow_everybody" in found["message"]


def test_a_configuration_that_the_collector_does_not_take_is_an_error(path: Path, check: Check) -> None:
    toml = path / "collector" / "collector.toml"
    toml.write_text(toml.read_text().replace("database", "databank"))
    code, (found,) = check()
    assert code == 1
    assert "unknown key databank: did you mean database?" in found["message"]


@pytest.mark.skipif(program("systemd-analyze") is None, reason="systemd is not installed: make system")
def test_a_unit_that_systemd_does_not_take_is_an_error(path: Path, check: Check) -> None:
    unit = path / "systemd" / "mien-broker.service"
    unit.write_text(unit.read_text().replace("ExecStart=/", "ExecStart=./"))
    code, (found,) = check()
    assert code == 1
    assert "systemd does not take mien-broker.service" in found["message"]
