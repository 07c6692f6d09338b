"""The folder of `mien server init` with a real mosquitto: which clients may connect, and what each may do."""

import stat
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from device_settings import device_mqtt_settings
from mosquitto import Mosquitto, free_port
from polling import wait_for
from raw_client import connect, is_refused
from running_collector import running_collector
from samples import make_draft
from sqlalchemy import text

from mien.broker.database.engine import open_for_reading
from mien.broker.settings import CollectorSettings
from mien.cli import main
from mien.deploy.server.folder import ServerFolder
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.delivery.publisher import Publisher
from mien.edge.health.broker_check import check_broker
from mien.errors import UsageError
from mien.settings.load import load_settings


def collector_settings(server: ServerFolder) -> CollectorSettings:
    return load_settings(server.path / "collector" / "collector.toml", CollectorSettings)


def test_a_device_s_observations_reach_the_log_and_its_checks_pass(
    tmp_path: Path, server: ServerFolder, broker: Mosquitto
) -> None:
    mqtt, clock = device_mqtt_settings(server, "kitchen"), Clock("trusted")
    settings = collector_settings(server)
    with running_collector(settings), Outbox(tmp_path / "outbox.db", device="kitchen") as outbox:
        for _ in range(3):
            outbox.append(make_draft(device="kitchen"), clock.now())
        with Publisher(mqtt, device="kitchen", model_id="0123456789ab", outbox=outbox, clock=clock) as publisher:
            assert publisher.drain(30)
            checks = {check.subject: check for check in check_broker(mqtt, "kitchen")}
    assert {check.level for check in checks.values()} == {"ok"}
    assert checks["permissions"].message == "may write to its own topics only"
    assert "TLSv1.3" in checks["broker"].message
    with open_for_reading(settings.database).connect() as log:
        assert log.execute(text("SELECT device, count(*) FROM emotion_log GROUP BY device")).all() == [("kitchen", 3)]


def test_a_collector_may_answer_devices_and_clear_what_is_retained_of_them(
    server: ServerFolder, broker: Mosquitto
) -> None:
    allowed = ("mien/kitchen/ack", "homeassistant/device/kitchen/config", "mien/_collector/collector/status")
    retained = ("mien/kitchen/status", "mien/kitchen/health", "mien/kitchen/motion")
    with connect(collector_settings(server).mqtt) as client:
        client.next("connected")
        for topic in (*allowed, *retained):
            assert client.publish(topic) != "Not authorized"
        for topic in ("mien/kitchen/observation", "mien/kitchen/model/desired", "homeassistant/status"):
            assert client.publish(topic) == "Not authorized"


def test_a_revoked_device_loses_its_permissions_at_once_and_is_refused_after_a_restart(
    server: ServerFolder, broker: Mosquitto
) -> None:
    mqtt = device_mqtt_settings(server, "kitchen")
    context = mqtt.tls_context()
    with connect(mqtt, context) as client:
        client.next("connected")
        assert client.publish("mien/kitchen/motion") != "Not authorized"
        server.revoke("kitchen")
        wait_for(lambda: client.publish("mien/kitchen/motion") == "Not authorized")
    (check,) = check_broker(mqtt, "kitchen")
    assert check.message.endswith("closed the connection without a response")
    assert check.hint == "has mqtt.certificate_file expired or been revoked?"
    broker.stop()
    broker.start()
    assert is_refused(mqtt, context)
    with connect(device_mqtt_settings(server, "hallway")) as client:
        assert client.next("connected") == "Success"


def test_a_device_that_is_added_while_mosquitto_runs_may_publish_at_once(
    server: ServerFolder, broker: Mosquitto
) -> None:
    server.add("garden")
    with connect(device_mqtt_settings(server, "garden")) as client:
        client.next("connected")
        wait_for(lambda: client.publish("mien/garden/motion") != "Not authorized")


def test_a_revoked_name_can_be_added_again(server: ServerFolder, broker: Mosquitto) -> None:
    server.revoke("kitchen")
    broker.stop()
    broker.start()
    server.add("kitchen")
    with connect(device_mqtt_settings(server, "kitchen")) as client:
        assert client.next("connected") == "Success"
        assert client.publish("mien/kitchen/motion") != "Not authorized"


def test_only_the_owner_can_read_keys(server: ServerFolder) -> None:
    secrets = [file for name in ("password", "pgpass", "token") for file in server.path.rglob(name)]
    assert len(secrets) == 6  # the database's and its reader's, with their pgpass; Grafana's; the dashboard's
    keys = [*server.path.rglob("*.key"), *secrets]
    assert len(keys) == 13  # certificate authority, mosquitto, collector, dashboard, database, two devices
    for key in keys:
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    for folder in (server.path, *(path for path in server.path.rglob("*") if path.is_dir())):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_commands_work_and_print_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server, port = str(tmp_path / "server"), free_port()
    assert main(["server", "init", server, "--hostname", "127.0.0.1", "--port", str(port)]) == 0
    assert main(["device", "add", "kitchen", "--server", server]) == 0
    assert main(["device", "list", "--server", server, "--json"]) == 0
    output = capsys.readouterr()
    assert f"{server}/devices/kitchen" in output.out
    assert msgspec.json.decode(output.out.splitlines()[-1])["devices"][0]["name"] == "kitchen"
    assert main(["device", "revoke", "kitchen", "--server", server]) == 0
    assert main(["device", "list", "--server", server]) == 0
    last_output = capsys.readouterr()
    assert last_output.out == ""
    assert "no MQTT broker runs; once it does, it refuses kitchen" in last_output.err
    assert "its observations are kept: `mien db erase --device kitchen` on the log deletes them" in last_output.err
    assert "PRIVATE" not in output.out + output.err + last_output.err
    settings = load_settings(tmp_path / "server" / "collector" / "collector.toml", CollectorSettings)
    assert settings.mqtt.address == ("127.0.0.1", port)
    assert settings.mqtt.uses_tls


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["server", "init", "existing", "--hostname", "a"], 2, "existing is not empty: name a new folder"),
        (["device", "add", "kitchen", "--server", "existing"], 2, "there is a device kitchen already"),
        (["device", "add", "Kitchen", "--server", "existing"], 2, "'Kitchen' is not a device name"),
        (["device", "add", "_collector", "--server", "existing"], 2, "'_collector' is not a device name"),
        (["device", "add", "collector", "--server", "existing"], 2, "collector is reserved for mien's own programs"),
        (["device", "add", "collector-two", "--server", "existing"], 2, "collector-two is reserved"),
        (["device", "add", "kitchen-doctor", "--server", "existing"], 2, "kitchen-doctor is reserved"),
        (["server", "add-collector", "Two", "--server", "existing"], 2, "'Two' is not a collector's name"),
        (["server", "add-collector", "collector", "--server", "existing"], 2, "there is a collector collector already"),
        (["device", "revoke", "cellar", "--server", "existing"], 2, "there is no device 'cellar': add it with"),
        (["device", "revoke", "../kitchen", "--server", "existing"], 2, "there is no device '../kitchen'"),
        (["device", "list", "--server", "nowhere"], 3, "nowhere is not a server folder"),
    ],
)
def test_an_error_that_the_user_can_fix_is_one_line_and_an_exit_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ServerFolder.create(tmp_path / "existing", ["localhost"], 8883).add("kitchen")
    assert main(arguments) == code
    assert message in capsys.readouterr().err


def test_a_revoked_name_is_not_added_again_while_its_connection_may_be_open(
    server: ServerFolder, broker: Mosquitto
) -> None:
    with connect(device_mqtt_settings(server, "kitchen")) as client:
        assert client.next("connected") == "Success"
        server.revoke("kitchen")
        with pytest.raises(UsageError, match="restart it first"):
            server.add("kitchen")
        broker.stop()
    broker.start()
    assert server.add("kitchen").name == "kitchen"


def test_an_interrupted_revocation_can_be_repeated(server: ServerFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mien.deploy.server.folder.shutil.rmtree", interrupt)
    with pytest.raises(KeyboardInterrupt):
        server.revoke("kitchen")
    assert "kitchen" not in (server.path / "mosquitto" / "acl").read_text()
    monkeypatch.undo()
    server.revoke("kitchen")
    assert [device.name for device in server.devices()] == ["hallway"]


def test_a_long_host_name_is_complete_in_the_certificate(tmp_path: Path) -> None:
    host = "ec2-" + "1234567890-" * 5 + "x.eu-central-1.compute.example.org"
    server = ServerFolder.create(tmp_path / "server", [host], free_port())
    certificate = x509.load_pem_x509_certificate((server.path / "mosquitto" / "server.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [host]
    assert server.add("kitchen").name == "kitchen"


@pytest.mark.parametrize(
    "host", ["https://mien.example.org", 'a"b', "a b", "bücher.example", "a" * 64, "a." * 130, "x.example\n", ""]
)
def test_an_invalid_host_name_is_refused_before_anything_is_created(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="is not a valid host name"):
        ServerFolder.create(tmp_path / "server", [host], 8883)
    assert not (tmp_path / "server").exists()
