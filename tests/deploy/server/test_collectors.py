"""`mien server add-collector`: a further collector has an identity of its own and shares the work with the first."""

import tomllib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from mosquitto import Mosquitto
from raw_client import connect

from mien.broker.settings import CollectorSettings
from mien.cli import main
from mien.deploy.server.check import check_server
from mien.deploy.server.collectors import add_collector
from mien.deploy.server.folder import ServerFolder
from mien.settings.load import load_settings


def test_an_added_collector_has_all_that_it_needs_in_its_folder(server: ServerFolder) -> None:
    added = add_collector(server, "second")
    folder = server.path / "collectors" / "second"
    assert {file.name for file in folder.iterdir()} == {"ca.crt", "collector.crt", "collector.key", "collector.toml"}
    certificate = x509.load_pem_x509_certificate((folder / "collector.crt").read_bytes())
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == "_collector-second"
    first = load_settings(server.path / "collector" / "postgresql.toml", CollectorSettings)
    second = load_settings(added.config, CollectorSettings)
    assert (first.name, second.name) == ("collector", "second")
    assert second.database == first.database.replace("/collector/ca.crt", "/collectors/second/ca.crt")
    assert second.database.endswith(f"sslrootcert={folder}/ca.crt")
    assert first.shared_subscription
    assert second.shared_subscription
    assert first.shared_group == second.shared_group
    assert f"collect --config {added.config}" in added.unit.read_text()
    assert f"ReadWritePaths={folder}\n" in added.unit.read_text()
    assert server.collectors() == ["collector", "second"]
    assert {result.level for result in check_server(server)} == {"ok"}


def test_a_collector_may_connect_at_once_and_speak_for_itself_only(server: ServerFolder, broker: Mosquitto) -> None:
    mqtt = load_settings(add_collector(server, "second").config, CollectorSettings).mqtt
    with connect(mqtt) as client:
        assert client.next("connected") == "Success"
        assert client.publish("mien/_collector/second/status") != "Not authorized"
        assert client.publish("mien/kitchen/ack") != "Not authorized"
        assert client.publish("mien/_collector/collector/status") == "Not authorized"


def test_it_uses_the_database_that_the_first_was_moved_to(server: ServerFolder) -> None:
    file = server.path / "collector" / "collector.toml"
    settings = tomllib.loads(file.read_text())
    file.write_text(file.read_text().replace(settings["database"], "postgresql://mien@db.example.org/mien"))
    added = add_collector(server, "second")
    assert load_settings(added.config, CollectorSettings).database == "postgresql://mien@db.example.org/mien"
    assert not added.is_shared


def test_the_command_says_how_to_start_it(server: ServerFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["server", "add-collector", "second", "--server", str(server.path)]) == 0
    output = capsys.readouterr().out
    assert f"mien collect --config {server.path}/collectors/second/collector.toml" in output
    assert "sudo systemctl enable --now mien-collector-second" in output
    assert main(["server", "add-collector", "second", "--server", str(server.path)]) == 2


def test_a_folder_without_a_group_is_refused(server: ServerFolder, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(server.path / "collector" / "postgresql.toml")
    file.write_text("".join(line for line in file.read_text().splitlines(keepends=True) if "shared_" not in line))
    assert main(["server", "add-collector", "second", "--server", str(server.path)]) == 3
    assert "set shared_group to a name that nobody can guess" in capsys.readouterr().err
