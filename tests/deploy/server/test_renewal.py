"""`mien server renew` and `rename-host`, with real mosquitto: devices go on with what they have."""

import socket
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from device_settings import device_mqtt_settings
from mosquitto import Mosquitto
from polling import wait_for
from running_collector import running_collector

from mien.broker.ingest.metrics import Metrics
from mien.broker.settings import CollectorSettings
from mien.cli import main
from mien.deploy.server.certificate_authority import CertificateAuthority
from mien.deploy.server.check import check_server
from mien.deploy.server.folder import ServerFolder
from mien.deploy.server.renewal import rename_host, renew
from mien.errors import UsageError
from mien.mqtt.probe import Probe
from mien.mqtt.settings import MqttSettings
from mien.settings.load import load_settings


def read(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def names_of(file: Path) -> list[str]:
    return [
        str(name.value) for name in read(file).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    ]


def shown_certificate(settings: MqttSettings) -> x509.Certificate:
    """The certificate that mosquitto shows now."""
    context = settings.tls_context()
    assert context is not None
    with (
        socket.create_connection(settings.address, timeout=5.0) as plain,
        context.wrap_socket(plain, server_hostname=settings.host) as connection,
    ):
        certificate = connection.getpeercert(binary_form=True)
    assert certificate is not None
    return x509.load_der_x509_certificate(certificate)


def assert_connects(settings: MqttSettings, device: str) -> None:
    with Probe(settings, client_id=f"mien-{device}") as probe:
        response = probe.publish(f"mien/{device}/motion")
    assert response is not None
    assert response.accepted


def test_everything_of_the_server_is_renewed_and_devices_go_on(server: ServerFolder, broker: Mosquitto) -> None:
    device = device_mqtt_settings(server, "kitchen")  # a copy, as it is on the device
    before = {file: read(file) for file in server.path.rglob("*.crt")}
    old_authority = before[server.path / "certificate-authority" / "ca.crt"]
    shown = shown_certificate(device)
    renewal = renew(server)
    after = {file: read(file) for file in server.path.rglob("*.crt")}
    of_devices = {server.path / "devices" / name / "device.crt" for name in ("kitchen", "hallway")}
    assert {file for file in before if before[file] == after[file]} == of_devices
    assert renewal.devices_until == old_authority.not_valid_after_utc
    new_authority = after[server.path / "certificate-authority" / "ca.crt"]
    assert new_authority.public_key() == old_authority.public_key()
    for file in after.keys() - of_devices:
        assert read(file).subject == before[file].subject
        assert len(list(read(file).extensions)) == len(list(before[file].extensions))
    assert [check for check in check_server(server) if check.level != "ok"] == []
    wait_for(lambda: shown_certificate(device) != shown)  # without a restart
    assert_connects(device, "kitchen")
    broker.stop()
    broker.start()
    assert_connects(device, "kitchen")
    server.add("garden")  # one that knows only the new certificate of the authority
    assert_connects(device_mqtt_settings(server, "garden"), "garden")


def test_openssl_accepts_old_and_new_certificates_with_either_authority(tmp_path: Path, server: ServerFolder) -> None:
    old, new = tmp_path / "old", server.path / "certificate-authority"
    old.mkdir()
    for name in ("certificate-authority/ca.crt", "mosquitto/server.crt", "devices/kitchen/device.crt"):
        (old / Path(name).name).write_bytes((server.path / name).read_bytes())
    renew(server)
    for authority in (old / "ca.crt", new / "ca.crt"):
        for certificate in (old / "server.crt", old / "device.crt", server.path / "mosquitto" / "server.crt"):
            command = ["openssl", "verify", "-x509_strict", "-CAfile", str(authority), str(certificate)]
            result = subprocess.run(command, capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stderr


def test_certificates_that_expire_soon_are_named_with_their_renewal(
    server: ServerFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = CertificateAuthority(server.path / "certificate-authority")
    authority.issue_client("_collector-collector", days=61).write(server.path / "collector" / "collector")
    assert [check for check in check_server(server) if check.level != "ok"] == []
    authority.issue_client("_collector-collector", days=59).write(server.path / "collector" / "collector")
    (problem,) = [check for check in check_server(server) if check.level != "ok"]
    assert problem.hint == f"mien server renew {server.path}"
    assert main(["server", "renew", str(server.path)]) == 0
    output = capsys.readouterr()
    assert "collector/collector.crt" in output.out.splitlines()
    assert "sudo systemctl try-restart mien-mosquitto mien-collector mien-dashboard" in output.out
    assert [check for check in check_server(server) if check.level != "ok"] == []


def test_the_collector_s_metrics_say_when_certificates_expire(
    server: ServerFolder, broker: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    authority = CertificateAuthority(server.path / "certificate-authority")
    authority.issue_client("_collector-collector", days=59).write(server.path / "collector" / "collector")
    settings = load_settings(server.path / "collector" / "collector.toml", CollectorSettings)
    metrics = Metrics()

    def exported() -> dict[str, float | None]:
        name = "mien_certificate_expiry_timestamp_seconds"
        return {
            certificate: metrics.registry.get_sample_value(name, {"certificate": certificate})
            for certificate in ("authority", "broker", "collector")
        }

    def read_expiries() -> dict[str, float | None]:
        files = {
            "authority": "collector/ca.crt",
            "broker": "mosquitto/server.crt",
            "collector": "collector/collector.crt",
        }
        return {name: read(server.path / file).not_valid_after_utc.timestamp() for name, file in files.items()}

    with running_collector(settings, metrics):
        wait_for(lambda: exported() == read_expiries())
        renew(server)
        broker.stop()
        broker.start()
        wait_for(lambda: exported() == read_expiries())
    warnings = [record.message for record in caplog.records if "renew it with `mien server renew`" in record.message]
    assert warnings
    assert all(message.startswith("the certificate of the collector expires on") for message in warnings)


def test_devices_go_on_by_the_former_name_after_the_server_was_renamed(server: ServerFolder, broker: Mosquitto) -> None:
    former = device_mqtt_settings(server, "kitchen")
    assert former.host == "localhost"
    assert rename_host(server, ["mien.example.org"], keep_old=True) == ["hallway", "kitchen"]
    broker.stop()
    broker.start()
    assert_connects(former, "kitchen")
    for program in ("mosquitto", "dashboard"):
        assert names_of(server.path / program / "server.crt") == ["mien.example.org", "localhost", "127.0.0.1"]
    assert names_of(server.path / "database" / "server.crt") == ["database", "localhost"]
    again = ServerFolder(server.path)
    assert again.server.hosts == ["mien.example.org", "localhost", "127.0.0.1"]
    for file in ("collector/collector.toml", "collector/postgresql.toml", "devices/kitchen/agent.toml"):
        assert '\nhost = "mien.example.org"\n' in (server.path / file).read_text()
    assert 'host = "0.0.0.0"' in (server.path / "dashboard" / "dashboard.toml").read_text()
    assert 'aliases: ["mien.example.org"]' in (server.path / "compose.yaml").read_text()
    assert [check for check in check_server(again) if check.level != "ok"] == []


def test_devices_by_the_new_name_need_nothing_of_the_former(server: ServerFolder, broker: Mosquitto) -> None:
    rename_host(server, ["127.0.0.1"], keep_old=False)
    broker.stop()
    broker.start()
    settings = device_mqtt_settings(server, "kitchen")
    assert settings.host == "127.0.0.1"
    assert_connects(settings, "kitchen")
    assert names_of(server.path / "mosquitto" / "server.crt") == ["127.0.0.1"]


def test_settings_that_someone_edited_stay(server: ServerFolder) -> None:
    file = server.path / "devices" / "kitchen" / "agent.toml"
    file.write_text(file.read_text().replace('"localhost"', '"elsewhere.example.org"') + "\n# mine\n")
    assert rename_host(server, ["mien.example.org"], keep_old=True) == ["hallway"]
    assert '"elsewhere.example.org"' in file.read_text()
    assert file.read_text().endswith("\n# mine\n")


def test_an_invalid_name_changes_nothing_and_is_one_line(
    server: ServerFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file: file.read_bytes() for file in server.path.rglob("*") if file.is_file()}
    with pytest.raises(UsageError, match="is not a valid host name"):
        rename_host(server, ["good.example.org", "a b"], keep_old=True)
    assert {file: file.read_bytes() for file in server.path.rglob("*") if file.is_file()} == before
    assert main(["server", "rename-host", str(server.path), "--hostname", "new.example.org"]) == 0
    output = capsys.readouterr()
    assert (
        "devices that were installed before go on while localhost leads to this server: hallway, kitchen" in output.err
    )
    assert main(["server", "rename-host", str(server.path), "--hostname", "x.example.org", "--drop-old"]) == 0
    assert "devices that were installed before will not connect: hallway, kitchen" in capsys.readouterr().err
