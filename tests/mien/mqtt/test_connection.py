import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import pytest
from mosquitto import Mosquitto, free_port
from paho.mqtt.enums import MQTTProtocolVersion
from proxy import Proxy
from scripted_broker import ScriptedBroker

from mien.broker.demo.embedded_broker import EmbeddedBroker
from mien.errors import ConfigurationError
from mien.mqtt.connection import Connection
from mien.mqtt.events import Connected, Disconnected, Event, Message, Received, Refused, Suspected, TakenOver
from mien.mqtt.limits import MAX_PACKET_BYTES
from mien.mqtt.settings import MqttSettings
from mien.mqtt.timings import ConnectionTimings

Events = queue.Queue[Event]
TIMINGS = ConnectionTimings(first_retry_s=0.1)


@contextmanager
def connection_and_events(
    settings: MqttSettings, subscription: str = "t/#", name: str = "one", timings: ConnectionTimings = TIMINGS
) -> Iterator[tuple[Connection, Events]]:
    events: Events = queue.Queue()
    with Connection(
        settings,
        client_id=name,
        will=Message(f"t/{name}/will", b"gone"),
        subscriptions=[subscription],
        events=events,
        timings=timings,
    ) as connection:
        yield connection, events


def next_event(events: Events, kind: type[Event]) -> Event:
    while not isinstance(event := events.get(timeout=15), kind):
        pass
    return event


def test_a_message_arrives(start_mosquitto: Callable[..., Mosquitto]) -> None:
    with connection_and_events(MqttSettings(port=start_mosquitto().port)) as (connection, events):
        next_event(events, Connected)
        assert connection.publish(Message("t/a", b"hello"), wait_s=5)
        assert next_event(events, Received) == Received("t/a", b"hello")


def test_it_reconnects_when_the_broker_comes_back(start_mosquitto: Callable[..., Mosquitto]) -> None:
    broker = start_mosquitto()
    with connection_and_events(MqttSettings(port=broker.port)) as (connection, events):
        next_event(events, Connected)
        broker.kill()
        next_event(events, Disconnected)
        assert not connection.publish(Message("t/a", b"lost"))
        broker.start()
        next_event(events, Connected)
        assert connection.publish(Message("t/a", b"delivered"), wait_s=5)
        assert next_event(events, Received) == Received("t/a", b"delivered")


def test_an_absent_broker_is_reported_with_its_address() -> None:
    port = free_port()
    with connection_and_events(MqttSettings(port=port)) as (_, events):
        disconnected = next_event(events, Disconnected)
        assert f"no MQTT broker at 127.0.0.1:{port}" in str(disconnected)


def test_a_wrong_password_is_a_refusal_with_a_hint(start_mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> None:
    (tmp_path / "accounts").write_text("")
    (tmp_path / "password").write_text("guess\n")
    broker = start_mosquitto("allow_anonymous false", f"password_file {tmp_path / 'accounts'}")
    for protocol in ("5", "3.1.1"):
        settings = MqttSettings(
            port=broker.port,
            username="hallway",
            password_file=str(tmp_path / "password"),
            protocol=protocol,  # type: ignore[arg-type]
        )
        with connection_and_events(settings) as (_, events):
            refused = next_event(events, Refused)
            assert "check mqtt.username, mqtt.password_file" in str(refused)
            assert "guess" not in str(refused)


def test_auto_falls_back_to_3_1_1_if_the_broker_does_not_respond_to_version_5() -> None:
    timings = ConnectionTimings(subscribe_timeout_s=0.5, first_retry_s=0.1)
    with (
        EmbeddedBroker() as broker,
        connection_and_events(MqttSettings(port=broker.port), timings=timings) as (connection, events),
    ):
        next_event(events, Connected)
        assert connection.publish(Message("t/a", b"hello"), wait_s=5)
        assert next_event(events, Received) == Received("t/a", b"hello")


def test_the_last_will_is_published_when_a_client_dies(start_mosquitto: Callable[..., Mosquitto]) -> None:
    broker = start_mosquitto()
    with connection_and_events(MqttSettings(port=broker.port), name="watcher") as (_, events):
        next_event(events, Connected)
        with connection_and_events(MqttSettings(port=broker.port), subscription="nothing", name="dying") as (
            connection,
            dying_events,
        ):
            next_event(dying_events, Connected)
            assert connection._client is not None
            # not close(), which the client's thread, in select, would delay by up to a second
            with socket.socket(fileno=os.dup(connection._client.socket().fileno())) as copy:  # type: ignore[union-attr]
                copy.shutdown(socket.SHUT_RDWR)
            assert next_event(events, Received) == Received("t/dying/will", b"gone")


def test_tls_is_on_for_every_host_except_this_machine() -> None:
    assert not MqttSettings().uses_tls
    assert MqttSettings().address == ("127.0.0.1", 1883)
    assert MqttSettings(host="broker.lan").uses_tls
    assert MqttSettings(host="broker.lan").address == ("broker.lan", 8883)


def test_an_unreadable_password_file_is_named() -> None:
    settings = MqttSettings(username="hallway", password_file="/nowhere/password")  # noqa: S106 (a path)
    with (
        pytest.raises(ConfigurationError, match=r"mqtt.password_file /nowhere/password cannot be read"),
        connection_and_events(settings),
    ):
        pass


def test_an_unreadable_message_does_not_end_the_connection() -> None:
    """The broker grants everything and then publishes on a topic that is not UTF-8."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):
                peer, _ = server.accept()
                with peer:
                    peer.recv(1024)
                    peer.sendall(b"\x20\x02\x00\x00")  # CONNACK
                    peer.recv(1024)
                    peer.sendall(b"\x90\x03\x00\x01\x01")  # SUBACK for message 1 at QoS 1
                    peer.sendall(b"\x30\x04\x00\x01\xff!")  # PUBLISH on the topic b"\xff"
                    peer.sendall(b"\x30\x04\x00\x01a!")
                    peer.recv(1024) if served_peers else None
                    served_peers.append(peer)

        served_peers: list[socket.socket] = []
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        settings = MqttSettings(port=server.getsockname()[1], protocol="3.1.1")
        with connection_and_events(settings) as (_, events):
            assert next_event(events, Received) == Received("a", b"!")
            next_event(events, Disconnected)  # the server hung up
            assert next_event(events, Received) == Received("a", b"!")
        thread.join(10)


def test_no_more_messages_are_in_flight_than_the_broker_accepts(start_mosquitto: Callable[..., Mosquitto]) -> None:
    broker = start_mosquitto("allow_anonymous true", "max_inflight_messages 3")
    with (
        Proxy(broker.port) as proxy,
        connection_and_events(MqttSettings(port=broker.port), subscription="t/a", name="watcher") as (_, events),
    ):
        next_event(events, Connected)
        with connection_and_events(MqttSettings(port=proxy.port), subscription="nothing") as (
            connection,
            sender_events,
        ):
            # the second attempt; the first is not reported
            assert isinstance(sender_events.get(timeout=15), Connected)
            proxy.silent = True  # no acknowledgement from the broker arrives
            for number in range(8):
                assert connection.publish(Message("t/a", b"%d" % number))
            received = [next_event(events, Received) for _ in range(3)]
            with pytest.raises(queue.Empty):
                events.get(timeout=0.5)
            proxy.silent = False
            received += [next_event(events, Received) for _ in range(5)]
            assert received == [Received("t/a", b"%d" % number) for number in range(8)]


def test_messages_larger_than_any_of_mien_are_not_delivered(
    start_mosquitto: Callable[..., Mosquitto],
) -> None:
    with connection_and_events(MqttSettings(port=start_mosquitto().port)) as (connection, events):
        next_event(events, Connected)
        connection.publish(Message("t/a", bytes(MAX_PACKET_BYTES)))
        connection.publish(Message("t/a", b"small"))
        assert next_event(events, Received) == Received("t/a", b"small")


def test_a_broker_that_has_spoken_version_5_is_not_taken_for_an_older_one() -> None:
    """A proxy in front of a broker that restarts accepts connections and closes them without a response."""
    with (
        ScriptedBroker() as broker,
        Proxy(broker.port) as proxy,
        connection_and_events(MqttSettings(port=proxy.port)) as (connection, events),
    ):
        next_event(events, Connected)
        proxy.cut = True
        proxy.break_all()
        for _ in range(3):
            next_event(events, Disconnected)
        proxy.cut = False
        next_event(events, Connected)
        assert connection._client is not None
        assert connection._client.protocol is MQTTProtocolVersion.MQTTv5


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_another_client_with_the_same_name_is_suspected_if_the_broker_gives_no_reason(
    start_mosquitto: Callable[..., Mosquitto], protocol: Literal["5", "3.1.1"]
) -> None:
    """mosquitto gives one from 2.0.15 on, under MQTT 5."""
    settings = MqttSettings(port=start_mosquitto().port, protocol=protocol)
    with connection_and_events(settings) as (_, events), connection_and_events(settings) as (_, other_events):
        reports: list[TakenOver | Suspected] = []
        deadline_s = time.monotonic() + 30
        while not reports and time.monotonic() < deadline_s:
            for queued in (events, other_events):
                with suppress(queue.Empty):
                    event = queued.get(timeout=0.2)
                    reports += [event] if isinstance(event, TakenOver | Suspected) else []
        assert "is also named one: rename or stop one of them" in reports[0].reason
        if protocol == "3.1.1":
            assert isinstance(reports[0], Suspected)


def test_a_broker_that_loses_acknowledgements_is_connected_to_again() -> None:
    timings = ConnectionTimings(first_retry_s=0.1, acknowledgement_timeout_s=0.2)
    with (
        ScriptedBroker(puback_reason=None) as broker,
        connection_and_events(MqttSettings(port=broker.port), timings=timings) as (connection, events),
    ):
        next_event(events, Connected)
        assert connection.publish(Message("t/ack", b"", at_most_once=True))
        time.sleep(0.3)
        assert connection.publish(Message("t/a", b""))  # what needs no acknowledgement does not count
        time.sleep(0.3)
        assert not connection.publish(Message("t/a", b""))
        reason = "the MQTT broker has not acknowledged a message for 0.2 s: connecting again"
        assert next_event(events, Disconnected) == Disconnected(reason)
        next_event(events, Connected)
        assert connection.publish(Message("t/a", b""))
    assert [publication.qos for publication in broker.publications][:2] == [0, 1]


def test_a_lost_acknowledgement_among_others_does_not_end_the_connection() -> None:
    timings = ConnectionTimings(acknowledgement_timeout_s=1.0)
    with (
        ScriptedBroker(puback_reason=None) as broker,
        connection_and_events(MqttSettings(port=broker.port), timings=timings) as (connection, events),
    ):
        next_event(events, Connected)
        assert connection.publish(Message("t/lost", b""))
        deadline_s = time.monotonic() + 10
        while not broker.publications and time.monotonic() < deadline_s:
            time.sleep(0.01)
        broker.puback_reason = 0
        for _ in range(6):
            assert connection.publish(Message("t/a", b""), wait_s=5)
            time.sleep(0.25)
        assert broker.connections == 1
