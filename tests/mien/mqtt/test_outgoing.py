"""Messages within the limits of real mosquittos, and what the client makes of a broker's refusals."""

import logging
import os
import queue
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from mosquitto import Mosquitto
from polling import wait_for
from scripted_broker import NOT_AUTHORIZED, QUOTA_EXCEEDED, ScriptedBroker

from mien.mqtt.connection import Connection
from mien.mqtt.events import Connected, Disconnected, Event, Message, Received
from mien.mqtt.learned_limit import MIN_PACKET_BYTES
from mien.mqtt.settings import MqttSettings
from mien.mqtt.timings import ConnectionTimings

TIMINGS = ConnectionTimings(first_retry_s=0.1)
Protocol = Literal["auto", "5", "3.1.1"]


class Client:
    """A connection and what it reports."""

    def __init__(self, port: int, name: str = "one", protocol: Protocol = "auto") -> None:
        self.events: queue.Queue[Event] = queue.Queue()
        self.connection = Connection(
            MqttSettings(port=port, protocol=protocol),
            client_id=name,
            will=Message(f"will/{name}", b"gone", retain=True),
            subscriptions=["t/#", "will/#"],
            events=self.events,
            timings=TIMINGS,
        )

    def next(self, kind: type[Event]) -> Event:
        while not isinstance(event := self.events.get(timeout=15), kind):
            pass
        return event

    def publish(self, payload: bytes, topic: str = "t/a", *, retain: bool = False) -> bool:
        return self.connection.publish(Message(topic, payload, retain=retain), wait_s=5)


@contextmanager
def connected(port: int, name: str = "one", protocol: Protocol = "auto") -> Iterator[Client]:
    client = Client(port, name, protocol)
    with client.connection:
        client.next(Connected)
        yield client


def test_what_is_too_large_is_left_out_with_one_line_and_the_fix(
    start_mosquitto: Callable[..., Mosquitto], caplog: pytest.LogCaptureFixture
) -> None:
    broker = start_mosquitto("allow_anonymous true", "max_packet_size 1024")
    with connected(broker.port) as client:
        limit_bytes = client.connection.max_payload_bytes("t/a")
        assert 1000 < limit_bytes < 1024
        assert not client.publish(bytes(limit_bytes + 1))
        assert not client.publish(bytes(limit_bytes + 1))
        assert not client.connection.publish(Message("t/b", bytes(2000), content="the report"))
        assert client.publish(bytes(limit_bytes))
        assert client.next(Received) == Received("t/a", bytes(limit_bytes))
        assert not any(isinstance(event, Disconnected) for event in list(client.events.queue))
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "the message on t/a is left out: it needs 1025 bytes, and the MQTT broker accepts packets of at most 1024: "
        "raise its max_packet_size to 1025 or more",
        "the report is left out: it needs 2013 bytes, and the MQTT broker accepts packets of at most 1024: "
        "raise its max_packet_size to 2013 or more",
    ]


def test_messages_and_the_last_will_go_at_qos_0_where_the_broker_has_nothing_better(
    start_mosquitto: Callable[..., Mosquitto],
) -> None:
    broker = start_mosquitto("allow_anonymous true", "max_qos 0")
    with connected(broker.port, "watcher") as watcher, connected(broker.port) as client:
        assert client.connection.limits.qos == 0
        for number in range(50):
            assert client.publish(b"%d" % number, topic=f"t/{number}")
        for number in range(50):
            assert watcher.next(Received) == Received(f"t/{number}", b"%d" % number)
        assert not any(isinstance(event, Disconnected) for event in list(client.events.queue))
        _die(client)
        assert watcher.next(Received) == Received("will/one", b"gone")
        client.next(Connected)


def test_messages_and_the_last_will_are_not_retained_where_the_broker_does_not_support_it(
    start_mosquitto: Callable[..., Mosquitto],
) -> None:
    broker = start_mosquitto("allow_anonymous true", "retain_available false")
    with connected(broker.port, "watcher") as watcher, connected(broker.port) as client:
        assert client.publish(b"now", retain=True)
        assert watcher.next(Received) == Received("t/a", b"now")
        _die(client)
        assert watcher.next(Received) == Received("will/one", b"gone")
        client.next(Connected)


def _die(client: Client) -> None:
    """Close the connection without saying goodbye."""
    with socket.socket(fileno=os.dup(client.connection._client.socket().fileno())) as copy:  # type: ignore[union-attr]
        copy.shutdown(socket.SHUT_RDWR)


def test_a_broker_that_allows_more_again_gets_the_full_last_will(start_mosquitto: Callable[..., Mosquitto]) -> None:
    broker = start_mosquitto("allow_anonymous true", "retain_available false")
    with connected(broker.port) as client:
        broker.kill()
        client.next(Disconnected)
        broker.config.write_text(broker.config.read_text().replace("retain_available false", ""))
        broker.start()
        client.next(Connected)
        assert client.publish(b"kept", retain=True)
    with connected(broker.port, "later") as later:
        assert later.next(Received) == Received("t/a", b"kept")


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        (NOT_AUTHORIZED, "(Not authorized): allow this client to write to that topic"),
        (QUOTA_EXCEEDED, "(Quota exceeded): raise the broker's quota for this client"),
    ],
)
def test_refused_messages_are_logged_once_a_minute_with_the_reason(
    reason: int, fix: str, caplog: pytest.LogCaptureFixture
) -> None:
    with ScriptedBroker(puback_reason=reason) as broker, connected(broker.port) as client:
        for _ in range(20):
            assert not client.publish(b"x")
        assert not client.publish(b"x", topic="t/b")
        assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == [
            f"the MQTT broker refused 1 message from one, the last one to t/{kind} {fix}" for kind in "ab"
        ]
        broker.puback_reason = 0
        assert client.publish(b"x")


def test_a_message_above_mosquittos_message_size_limit_does_not_end_the_connection(
    start_mosquitto: Callable[..., Mosquitto], caplog: pytest.LogCaptureFixture
) -> None:
    """mosquitto does not announce this limit, and refuses with a reason code that the standard has not for this."""
    broker = start_mosquitto("allow_anonymous true", "message_size_limit 3000")
    with connected(broker.port) as client:
        assert not client.publish(bytes(5000))
        assert client.connection.max_payload_bytes("t/a") < 3000
        assert not client.publish(bytes(4000))
        assert client.publish(b"small")
        assert client.next(Received) == Received("t/a", b"small")
        assert not any(isinstance(event, Disconnected) for event in list(client.events.queue))
    assert "(Packet too large): raise the broker's message_size_limit or max_packet_size" in caplog.text


def test_a_limit_that_an_mqtt_3_1_1_broker_cannot_announce_is_learned(
    start_mosquitto: Callable[..., Mosquitto], caplog: pytest.LogCaptureFixture
) -> None:
    broker = start_mosquitto("allow_anonymous true", "max_packet_size 1024")
    with connected(broker.port, protocol="3.1.1") as client:
        for _ in range(3):
            client.connection.publish(Message("t/b", bytes(1900)))
            if client.connection.limits.max_packet_bytes == MIN_PACKET_BYTES:
                break
            client.next(Connected)
        assert not client.publish(bytes(1900))
        wait_for(lambda: client.publish(b"small"))
        while client.next(Received) != Received("t/a", b"small"):
            pass
    assert "seems to end the connection at packets of" in caplog.text
