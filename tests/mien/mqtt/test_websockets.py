"""A connection by websockets, through a gateway to a real broker."""

import queue
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from certificates import self_signed_certificate
from mosquitto import Mosquitto
from mqtt_device import Device
from running_collector import running_collector
from samples import make_observation
from websocket_gateway import WebsocketGateway

from mien.broker.query import EmotionLog
from mien.broker.settings import CollectorSettings
from mien.messages.observation import encode_observation
from mien.mqtt.connection import Connection
from mien.mqtt.events import Connected, Disconnected, Event, Message, Received
from mien.mqtt.probe import Probe, try_handshake
from mien.mqtt.settings import MqttSettings


@pytest.fixture
def gateway(start_mosquitto: Callable[..., Mosquitto]) -> Iterator[WebsocketGateway]:
    with WebsocketGateway(start_mosquitto().port) as gateway:
        yield gateway


@contextmanager
def connected(settings: MqttSettings) -> Iterator[tuple[Connection, "queue.Queue[Event]"]]:
    events: queue.Queue[Event] = queue.Queue()
    will = Message("t/will", b"gone")
    with Connection(settings, client_id="one", will=will, subscriptions=["t/#"], events=events) as connection:
        assert events.get(timeout=15) == Connected()
        yield connection, events


@pytest.mark.parametrize("protocol", ["auto", "3.1.1"])
def test_messages_of_all_sizes_arrive(gateway: WebsocketGateway, protocol: str) -> None:
    settings = MqttSettings(port=gateway.port, transport="websockets")
    with connected(msgspec.structs.replace(settings, protocol=protocol)) as (connection, events):
        for size in (0, 1, 125, 126, 65_536, 200_000):
            assert connection.publish(Message("t/a", b"x" * size), wait_s=15)
            assert events.get(timeout=15) == Received("t/a", b"x" * size)
    assert gateway.connections == 1


def test_a_burst_arrives_complete_and_in_order(gateway: WebsocketGateway) -> None:
    with connected(MqttSettings(port=gateway.port, transport="websockets")) as (connection, events):
        for number in range(200):
            assert connection.publish(Message("t/a", b"%d" % number))
        assert [events.get(timeout=15) for _ in range(200)] == [Received("t/a", b"%d" % n) for n in range(200)]


def test_they_are_encrypted_like_any_other_connection(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    certificate, key = self_signed_certificate(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    with WebsocketGateway(start_mosquitto().port, path="/broker", tls=tls) as gateway:
        settings = MqttSettings(
            host="localhost",
            port=gateway.port,
            tls=True,
            ca_file=str(certificate),
            transport="websockets",
            websocket_path="/broker",
        )
        with connected(settings) as (connection, events):
            assert connection.publish(Message("t/a", b"x" * 40_000), wait_s=15)
            assert events.get(timeout=15) == Received("t/a", b"x" * 40_000)
            assert connection.broker_certificate == ssl.PEM_cert_to_DER_cert(certificate.read_text())
        with Probe(settings, client_id="probe") as probe:
            assert probe.tls_version == "TLSv1.3"
        assert try_handshake(settings) == "TLSv1.3"


def test_a_connection_that_the_gateway_loses_is_opened_again(
    gateway: WebsocketGateway, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    with connected(MqttSettings(port=gateway.port, transport="websockets")) as (_, events):
        gateway.break_all()
        assert isinstance(events.get(timeout=15), Disconnected)
        assert events.get(timeout=15) == Connected()


def test_rows_reach_a_collector_and_its_acknowledgement_the_device(gateway: WebsocketGateway, tmp_path: Path) -> None:
    mqtt = MqttSettings(port=gateway.port, transport="websockets")
    database = str(tmp_path / "mien.db")
    device = Device(mqtt)
    with running_collector(CollectorSettings(database=database, mqtt=mqtt)), device.connection:
        device.wait_connected()
        device.wait_online()
        device.send(*(encode_observation(make_observation(device.outbox, seq)) for seq in range(1, 101)))
        stored, rejected = device.answers(100)
    assert (stored, rejected) == (set(range(1, 101)), {})
    with EmotionLog(database) as log:
        assert log.observation_count() == 100


def test_the_default_ports_are_those_of_the_web() -> None:
    assert MqttSettings(transport="websockets").address == ("127.0.0.1", 80)
    assert MqttSettings(host="broker.lan", transport="websockets").address == ("broker.lan", 443)
    with pytest.raises(ValueError, match="websocket_path has no effect without websockets: set transport"):
        MqttSettings(websocket_path="/mqtt")
