"""The folder of `mien server init` with a real mosquitto: who comes in, and what each may do."""

import queue
import ssl
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from collecting import collecting
from cryptography import x509
from mosquitto import Mosquitto, free_port
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from samples import make_observation
from served import identity
from sqlalchemy import text
from waiting import wait_for

from mien.broker.database import open_for_reading
from mien.broker.settings import CollectorSettings
from mien.command import main
from mien.configuration import load
from mien.deploy.authority import Authority, write_secret
from mien.deploy.server import ServerFolder
from mien.edge.broker_check import broker_check
from mien.edge.clock import Clock
from mien.edge.outbox import Outbox
from mien.edge.uplink import Uplink
from mien.errors import UsageError
from mien.mqtt import Mqtt


def collector(folder: ServerFolder) -> CollectorSettings:
    return load(folder.path / "collector" / "collector.toml", CollectorSettings)


class Talker:
    """A client that says what the broker answers."""

    def __init__(self, mqtt: Mqtt, context: ssl.SSLContext | None) -> None:
        self._events: queue.Queue[tuple[str, Any]] = queue.Queue()
        client = self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.on_connect = lambda _c, _d, _f, reason, _p: self._events.put(("connected", str(reason)))
        client.on_publish = lambda _c, _d, _m, reason, _p: self._events.put(("published", str(reason)))
        client.on_subscribe = lambda _c, _d, _m, reasons, _p: self._events.put(("subscribed", str(reasons[0])))
        client.on_disconnect = lambda _c, _d, _f, reason, _p: self._events.put(("disconnected", str(reason)))
        client.on_message = lambda _c, _d, message: self._events.put(("message", message.topic))
        if context is not None:
            client.tls_set_context(context)
        client.connect(*mqtt.address)
        client.loop_start()

    def next(self, kind: str, timeout_s: float = 10.0) -> str:
        """What comes with the next event of this kind; queue.Empty if none comes."""
        while True:
            event, value = self._events.get(timeout=timeout_s)
            if event == kind:
                return str(value)

    def publish(self, topic: str) -> str:
        self.client.publish(topic, b"{}", qos=1)
        return self.next("published")


@contextmanager
def talking(mqtt: Mqtt, context: ssl.SSLContext | None = None) -> Iterator[Talker]:
    talker = Talker(mqtt, context or mqtt.tls_context())
    try:
        yield talker
    finally:
        talker.client.disconnect()
        talker.client.loop_stop()


def test_a_device_s_observations_reach_the_log_and_it_sees_that_all_is_well(
    tmp_path: Path, folder: ServerFolder, broker: Mosquitto
) -> None:
    mqtt, clock = identity(folder, "kitchen"), Clock("trusted")
    with collecting(collector(folder)), Outbox(tmp_path / "outbox.db", device="kitchen") as outbox:
        for _ in range(3):
            outbox.append(lambda name, seq: make_observation(name, seq, device="kitchen"), clock.moment())
        with Uplink(mqtt, device="kitchen", model_id="0123456789ab", outbox=outbox, clock=clock) as uplink:
            assert uplink.drain(30)
            checks = {check.subject: check for check in broker_check(mqtt, "kitchen")}
    assert {check.level for check in checks.values()} == {"ok"}
    assert checks["permissions"].message == "writes its own topics and no other device's"
    assert "TLSv1.3" in checks["broker"].message
    with open_for_reading(collector(folder).database).connect() as log:
        assert log.execute(text("SELECT device, count(*) FROM emotion_log GROUP BY device")).all() == [("kitchen", 3)]


def _refused(mqtt: Mqtt, context: ssl.SSLContext | None) -> None:
    """The broker lets nobody in: the handshake fails, or the connection ends before it is granted."""
    try:
        talker = Talker(mqtt, context)
    except OSError:
        return
    try:
        assert talker.next("connected", 3.0) != "Success"
    except queue.Empty:
        pass
    finally:
        talker.client.disconnect()
        talker.client.loop_stop()


def test_nobody_comes_in_without_a_certificate(folder: ServerFolder, broker: Mosquitto) -> None:
    mqtt = identity(folder, "kitchen")
    _refused(mqtt, ssl.create_default_context(cafile=mqtt.ca_file))


def test_nobody_comes_in_without_encryption(folder: ServerFolder, broker: Mosquitto) -> None:
    _refused(identity(folder, "kitchen"), None)


def test_a_stranger_s_certificate_is_refused(tmp_path: Path, folder: ServerFolder, broker: Mosquitto) -> None:
    stranger = Authority.found(tmp_path / "stranger", "elsewhere").client("kitchen")
    _refused(identity(folder, "kitchen"), _context(tmp_path, folder, stranger.certificate, stranger.key))


def test_an_expired_certificate_is_refused(tmp_path: Path, folder: ServerFolder, broker: Mosquitto) -> None:
    expired = Authority(folder.path / "authority").client("kitchen", days=-1)
    _refused(identity(folder, "kitchen"), _context(tmp_path, folder, expired.certificate, expired.key))


def _context(tmp_path: Path, folder: ServerFolder, certificate: bytes, key: bytes) -> ssl.SSLContext:
    (tmp_path / "own.crt").write_bytes(certificate)
    write_secret(tmp_path / "own.key", key)
    context = ssl.create_default_context(cafile=folder.path / "authority" / "ca.crt")
    context.load_cert_chain(tmp_path / "own.crt", tmp_path / "own.key")
    return context


def test_the_same_is_let_in_with_its_own_certificate(folder: ServerFolder, broker: Mosquitto) -> None:
    """Or the refusals above would say nothing."""
    with talking(identity(folder, "kitchen")) as talker:
        assert talker.next("connected") == "Success"


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
def test_a_device_may_not_write_what_is_not_its_own(folder: ServerFolder, broker: Mosquitto, topic: str) -> None:
    with talking(identity(folder, "kitchen")) as talker:
        talker.next("connected")
        assert talker.publish(topic) == "Not authorized"
        for own in ("observation", "status", "health", "motion", "model/state"):
            assert talker.publish(f"mien/kitchen/{own}") != "Not authorized"


def test_a_device_may_not_read_what_is_not_for_it(folder: ServerFolder, broker: Mosquitto) -> None:
    with talking(identity(folder, "kitchen")) as kitchen, talking(collector(folder).mqtt) as source:
        kitchen.next("connected")
        source.next("connected")
        for topic in ("mien/hallway/ack", "mien/+/observation", "#", "mien/kitchen/ack"):
            kitchen.client.subscribe(topic, 1)
            kitchen.next("subscribed")
        assert source.publish("mien/hallway/ack") != "Not authorized"
        assert source.publish("mien/kitchen/ack") != "Not authorized"
        assert kitchen.next("message") == "mien/kitchen/ack"  # and nothing before it


def test_a_collector_may_not_speak_for_a_device(folder: ServerFolder, broker: Mosquitto) -> None:
    with talking(collector(folder).mqtt) as talker:
        talker.next("connected")
        assert talker.publish("mien/kitchen/observation") == "Not authorized"
        assert talker.publish("mien/kitchen/ack") != "Not authorized"
        assert talker.publish("homeassistant/device/kitchen/config") != "Not authorized"


def test_a_revoked_device_is_silenced_at_once_and_refused_from_the_next_start(
    folder: ServerFolder, broker: Mosquitto
) -> None:
    mqtt = identity(folder, "kitchen")
    context = mqtt.tls_context()
    with talking(mqtt, context) as talker:
        talker.next("connected")
        assert talker.publish("mien/kitchen/motion") != "Not authorized"
        folder.revoke("kitchen")
        wait_for(lambda: talker.publish("mien/kitchen/motion") == "Not authorized")
    (check,) = broker_check(mqtt, "kitchen")
    assert check.message.endswith("ends the connection without an answer")
    assert check.cure == "is mqtt.certificate_file revoked or run out?"
    broker.stop()
    broker.start()
    _refused(mqtt, context)
    with talking(identity(folder, "hallway")) as talker:
        assert talker.next("connected") == "Success"


def test_a_device_that_is_added_while_the_broker_runs_may_speak_at_once(
    folder: ServerFolder, broker: Mosquitto
) -> None:
    folder.add("garden")
    with talking(identity(folder, "garden")) as talker:
        talker.next("connected")
        wait_for(lambda: talker.publish("mien/garden/motion") != "Not authorized")


def test_a_name_that_was_revoked_can_be_issued_anew(folder: ServerFolder, broker: Mosquitto) -> None:
    folder.revoke("kitchen")
    broker.stop()
    broker.start()
    folder.add("kitchen")
    with talking(identity(folder, "kitchen")) as talker:
        assert talker.next("connected") == "Success"
        assert talker.publish("mien/kitchen/motion") != "Not authorized"


def test_keys_are_for_their_owner_alone(folder: ServerFolder) -> None:
    secrets = [file for name in ("password", "pgpass", "token") for file in folder.path.rglob(name)]
    assert len(secrets) == 6  # the database's and its reader's, with their pgpass; Grafana's; the dashboard's
    keys = [*folder.path.rglob("*.key"), *secrets]
    assert len(keys) == 13  # authority, broker, collector, dashboard, database, two devices
    for secret in keys:
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    for place in (folder.path, *(one for one in folder.path.rglob("*") if one.is_dir())):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_the_commands_do_it_and_show_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = str(tmp_path / "server")
    assert main(["server", "init", server, "--name", "mien.example.org"]) == 0
    assert main(["device", "add", "kitchen", "--server", server]) == 0
    assert main(["device", "list", "--server", server, "--json"]) == 0
    told = capsys.readouterr()
    assert f"{server}/devices/kitchen" in told.out
    assert msgspec.json.decode(told.out.splitlines()[-1])["devices"][0]["name"] == "kitchen"
    assert main(["device", "revoke", "kitchen", "--server", server]) == 0
    assert main(["device", "list", "--server", server]) == 0
    told_last = capsys.readouterr()
    assert told_last.out == ""
    assert "PRIVATE" not in told.out + told.err + told_last.err
    settings = load(tmp_path / "server" / "collector" / "collector.toml", CollectorSettings)
    assert settings.mqtt.address == ("mien.example.org", 8883)
    assert settings.mqtt.encrypted


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["server", "init", "made", "--name", "a"], 2, "made is not empty: name a new folder"),
        (["device", "add", "kitchen", "--server", "made"], 2, "there is a device kitchen already"),
        (["device", "add", "Kitchen", "--server", "made"], 2, "'Kitchen' is no device name"),
        (["device", "add", "_collector", "--server", "made"], 2, "'_collector' is no device name"),
        (["device", "revoke", "cellar", "--server", "made"], 2, "there is no device 'cellar': issue it with"),
        (["device", "revoke", "../kitchen", "--server", "made"], 2, "there is no device '../kitchen'"),
        (["device", "list", "--server", "nowhere"], 3, "nowhere is no server's folder"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_a_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ServerFolder.made(tmp_path / "made", ["localhost"], 8883).add("kitchen")
    assert main(arguments) == code
    assert message in capsys.readouterr().err


def test_a_revoked_name_is_not_issued_anew_under_its_open_connection(folder: ServerFolder, broker: Mosquitto) -> None:
    with talking(identity(folder, "kitchen")) as talker:
        assert talker.next("connected") == "Success"
        folder.revoke("kitchen")
        with pytest.raises(UsageError, match="restart it first"):
            folder.add("kitchen")
        broker.stop()
    broker.start()
    assert folder.add("kitchen").name == "kitchen"


def test_a_revocation_that_was_cut_short_can_be_done_again(
    folder: ServerFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mien.deploy.server.shutil.rmtree", cut)
    with pytest.raises(KeyboardInterrupt):
        folder.revoke("kitchen")
    assert "kitchen" not in (folder.path / "broker" / "permissions").read_text()
    monkeypatch.undo()
    folder.revoke("kitchen")
    assert [device.name for device in folder.devices()] == ["hallway"]


def test_a_long_host_name_is_whole_in_the_certificate(tmp_path: Path) -> None:
    host = "ec2-" + "1234567890-" * 5 + "x.eu-central-1.compute.example.org"
    folder = ServerFolder.made(tmp_path / "server", [host], free_port())
    certificate = x509.load_pem_x509_certificate((folder.path / "broker" / "server.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [host]
    assert folder.add("kitchen").name == "kitchen"


@pytest.mark.parametrize(
    "host", ["https://mien.example.org", 'a"b', "a b", "bücher.example", "a" * 64, "a." * 130, "x.example\n", ""]
)
def test_a_host_that_is_none_is_refused_before_anything_is_made(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="is no host name"):
        ServerFolder.made(tmp_path / "server", [host], 8883)
    assert not (tmp_path / "server").exists()
