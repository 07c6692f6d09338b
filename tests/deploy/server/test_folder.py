"""The folder of `mien server init` with a real mosquitto: which clients may connect, and what each may do."""

import queue
import ssl
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from device_settings import device_mqtt_settings
from mosquitto import Mosquitto, free_port
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from polling import wait_for
from running_collector import running_collector
from samples import make_draft
from sqlalchemy import text

from mien.atomic_file import write_secret
from mien.broker.database.engine import open_for_reading
from mien.broker.settings import CollectorSettings
from mien.cli import main
from mien.deploy.server.certificate_authority import CertificateAuthority
from mien.deploy.server.folder import ServerFolder
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.delivery.publisher import Publisher
from mien.edge.health.broker_check import check_broker
from mien.errors import UsageError
from mien.mqtt.settings import MqttSettings
from mien.settings.load import load_settings


def collector_settings(server: ServerFolder) -> CollectorSettings:
    return load_settings(server.path / "collector" / "collector.toml", CollectorSettings)


class RawClient:
    """A client of paho's own, not mien's, that returns the MQTT broker's reason codes."""

    def __init__(self, mqtt: MqttSettings, context: ssl.SSLContext | None) -> None:
        self._events: queue.Queue[tuple[str, Any]] = queue.Queue()
        client = self.client = Client(
            CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
        )
        client.on_connect = lambda _c, _d, _f, reason, _p: self._events.put(("connected", str(reason)))
        client.on_publish = lambda _c, _d, _m, reason, _p: self._events.put(("published", str(reason)))
        client.on_subscribe = lambda _c, _d, _m, reasons, _p: self._events.put(("subscribed", str(reasons[0])))
        client.on_disconnect = lambda _c, _d, _f, reason, _p: self._events.put(("disconnected", str(reason)))
        client.on_message = lambda _c, _d, message: self._events.put(("message", message.topic))
        if context is not None:
            client.tls_set_context(context)
        client.connect(*mqtt.address)
        client.loop_start()

    def next(self, *kinds: str) -> str:
        """Reason or topic of the next event of one of these kinds; queue.Empty if none arrives in time."""
        while True:
            event, value = self._events.get(timeout=10.0)
            if event in kinds:
                return str(value)

    def publish(self, topic: str) -> str:
        """The reason code of the acknowledgement."""
        self.client.publish(topic, b"{}", qos=1)
        return self.next("published")


@contextmanager
def connect(mqtt: MqttSettings, context: ssl.SSLContext | None = None) -> Iterator[RawClient]:
    client = RawClient(mqtt, context or mqtt.tls_context())
    try:
        yield client
    finally:
        client.client.disconnect()
        client.client.loop_stop()


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


def _assert_refused(mqtt: MqttSettings, context: ssl.SSLContext | None) -> None:
    """The handshake fails, or the connection ends before the MQTT broker accepts it."""
    try:
        client = RawClient(mqtt, context)
    except OSError:
        return
    try:
        assert client.next("connected", "disconnected") not in ("Success", "Normal disconnection")
    finally:
        client.client.disconnect()
        client.client.loop_stop()


def test_a_client_without_a_certificate_is_refused(server: ServerFolder, broker: Mosquitto) -> None:
    mqtt = device_mqtt_settings(server, "kitchen")
    _assert_refused(mqtt, ssl.create_default_context(cafile=mqtt.ca_file))


def test_a_client_without_encryption_is_refused(server: ServerFolder, broker: Mosquitto) -> None:
    _assert_refused(device_mqtt_settings(server, "kitchen"), None)


def test_a_certificate_of_another_authority_is_refused(tmp_path: Path, server: ServerFolder, broker: Mosquitto) -> None:
    other = CertificateAuthority.create(tmp_path / "other", "elsewhere").issue_client("kitchen")
    context = _tls_context(tmp_path, server, other.certificate, other.key)
    _assert_refused(device_mqtt_settings(server, "kitchen"), context)


def test_an_expired_certificate_is_refused(tmp_path: Path, server: ServerFolder, broker: Mosquitto) -> None:
    authority = CertificateAuthority(server.path / "certificate-authority")
    expired = authority.issue_client("kitchen", days=-1)
    context = _tls_context(tmp_path, server, expired.certificate, expired.key)
    _assert_refused(device_mqtt_settings(server, "kitchen"), context)


def _tls_context(tmp_path: Path, server: ServerFolder, certificate: bytes, key: bytes) -> ssl.SSLContext:
    (tmp_path / "client.crt").write_bytes(certificate)
    write_secret(tmp_path / "client.key", key)
    context = ssl.create_default_context(cafile=server.path / "certificate-authority" / "ca.crt")
    context.load_cert_chain(tmp_path / "client.crt", tmp_path / "client.key")
    return context


def test_the_device_s_own_certificate_is_accepted(server: ServerFolder, broker: Mosquitto) -> None:
    """Without this the refusals above would prove nothing."""
    with connect(device_mqtt_settings(server, "kitchen")) as client:
        assert client.next("connected") == "Success"


@pytest.mark.parametrize(
    "topic",
    [
        "mien/hallway/observation",
        "mien/hallway/status",
        "mien/hallway/ack",
        "mien/kitchen/ack",
        "mien/kitchen/model/desired",
        "mien/_collector/collector/status",
        "homeassistant/device/kitchen/config",
        "anything",
    ],
)
def test_a_device_may_write_only_its_own_topics(server: ServerFolder, broker: Mosquitto, topic: str) -> None:
    with connect(device_mqtt_settings(server, "kitchen")) as client:
        client.next("connected")
        assert client.publish(topic) == "Not authorized"
        for own in ("observation", "status", "health", "motion", "model/state"):
            assert client.publish(f"mien/kitchen/{own}") != "Not authorized"


def test_a_device_may_read_only_what_is_for_it(server: ServerFolder, broker: Mosquitto) -> None:
    kitchen_settings, collector_mqtt = device_mqtt_settings(server, "kitchen"), collector_settings(server).mqtt
    with connect(kitchen_settings) as kitchen, connect(collector_mqtt) as collector:
        kitchen.next("connected")
        collector.next("connected")
        for topic in ("mien/hallway/ack", "mien/+/observation", "#", "mien/kitchen/ack"):
            kitchen.client.subscribe(topic, 1)
            kitchen.next("subscribed")
        assert collector.publish("mien/hallway/ack") != "Not authorized"
        assert collector.publish("mien/kitchen/ack") != "Not authorized"
        assert kitchen.next("message") == "mien/kitchen/ack"  # and nothing before it


def test_a_collector_may_not_write_a_device_s_topics(server: ServerFolder, broker: Mosquitto) -> None:
    with connect(collector_settings(server).mqtt) as client:
        client.next("connected")
        assert client.publish("mien/kitchen/observation") == "Not authorized"
        assert client.publish("mien/kitchen/ack") != "Not authorized"
        assert client.publish("homeassistant/device/kitchen/config") != "Not authorized"


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
    _assert_refused(mqtt, context)
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
    server = str(tmp_path / "server")
    assert main(["server", "init", server, "--hostname", "mien.example.org"]) == 0
    assert main(["device", "add", "kitchen", "--server", server]) == 0
    assert main(["device", "list", "--server", server, "--json"]) == 0
    output = capsys.readouterr()
    assert f"{server}/devices/kitchen" in output.out
    assert msgspec.json.decode(output.out.splitlines()[-1])["devices"][0]["name"] == "kitchen"
    assert main(["device", "revoke", "kitchen", "--server", server]) == 0
    assert main(["device", "list", "--server", server]) == 0
    last_output = capsys.readouterr()
    assert last_output.out == ""
    assert "PRIVATE" not in output.out + output.err + last_output.err
    settings = load_settings(tmp_path / "server" / "collector" / "collector.toml", CollectorSettings)
    assert settings.mqtt.address == ("mien.example.org", 8883)
    assert settings.mqtt.uses_tls


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["server", "init", "existing", "--hostname", "a"], 2, "existing is not empty: name a new folder"),
        (["device", "add", "kitchen", "--server", "existing"], 2, "there is a device kitchen already"),
        (["device", "add", "Kitchen", "--server", "existing"], 2, "'Kitchen' is not a device name"),
        (["device", "add", "_collector", "--server", "existing"], 2, "'_collector' is not a device name"),
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
