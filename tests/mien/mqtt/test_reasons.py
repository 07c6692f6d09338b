"""The reasons that a broker gives, as a connection reports them."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from scripted_broker import (
    NOT_AUTHORIZED,
    PACKET_TOO_LARGE,
    QUOTA_EXCEEDED,
    SERVER_BUSY,
    SERVER_SHUTTING_DOWN,
    SESSION_TAKEN_OVER,
    SHARED_SUBSCRIPTIONS_AVAILABLE,
    WILDCARDS_AVAILABLE,
    ScriptedBroker,
)

from mien.mqtt.connection import Connection
from mien.mqtt.events import Connected, Disconnected, Event, Message, Refused, TakenOver
from mien.mqtt.settings import MqttSettings
from mien.mqtt.timings import ConnectionTimings

Events = queue.Queue[Event]


@contextmanager
def events_of(broker: ScriptedBroker, subscription: str = "t/#") -> Iterator[Events]:
    """What a connection to the broker reports."""
    events: Events = queue.Queue()
    with Connection(
        MqttSettings(port=broker.port),
        client_id="one",
        will=Message("t/will", b"gone"),
        subscriptions=[subscription],
        events=events,
        timings=ConnectionTimings(first_retry_s=0.1),
    ):
        yield events


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (SESSION_TAKEN_OVER, "the MQTT broker ended the connection (Session taken over)"),
        (
            PACKET_TOO_LARGE,
            "the MQTT broker ended the connection (Packet too large): raise the broker's max_packet_size",
        ),
        (
            NOT_AUTHORIZED,
            "the MQTT broker ended the connection (Not authorized): check the broker's ACL for this client",
        ),
        (
            QUOTA_EXCEEDED,
            "the MQTT broker ended the connection (Quota exceeded): raise the broker's quota for this client",
        ),
        (SERVER_SHUTTING_DOWN, "the MQTT broker ended the connection (Server shutting down)"),
    ],
)
def test_the_reason_of_a_broker_that_ends_the_connection_is_reported(reason: int, said: str) -> None:
    with (
        ScriptedBroker(end_reason=reason) as broker,
        events_of(broker) as events,
    ):
        reported: list[Event] = []
        while not isinstance(event := events.get(timeout=15), Disconnected):
            reported.append(event)
        assert event.reason == said
        taken_over = [event for event in reported if isinstance(event, TakenOver)]
        if reason == SESSION_TAKEN_OVER:
            assert taken_over[0].reason.endswith("is also named one: rename or stop one of them")
        else:
            assert not taken_over


def test_short_connections_that_a_broker_ends_with_another_reason_raise_no_suspicion() -> None:
    with (
        ScriptedBroker(end_reason=SERVER_SHUTTING_DOWN) as broker,
        events_of(broker) as events,
    ):
        for _ in range(5):
            assert isinstance(events.get(timeout=15), Connected)
            assert isinstance(events.get(timeout=15), Disconnected)


@pytest.mark.parametrize(
    ("broker", "said"),
    [
        (
            ScriptedBroker(announced={WILDCARDS_AVAILABLE: 0}),
            "the MQTT broker refused the subscription to t/# (Wildcard subscription not supported): "
            "allow wildcards on the broker, or use a broker that supports them",
        ),
        (
            ScriptedBroker(suback_reason=NOT_AUTHORIZED),
            "the MQTT broker refused the subscription to t/# (Not authorized): allow one to read these topics",
        ),
        (
            ScriptedBroker(suback_reason=QUOTA_EXCEEDED),
            "the MQTT broker refused the subscription to t/# (Quota exceeded): "
            "raise the broker's quota of subscriptions for this client",
        ),
    ],
)
def test_a_refused_subscription_is_reported_with_the_reason_and_the_fix(broker: ScriptedBroker, said: str) -> None:
    with broker, events_of(broker) as events:
        assert events.get(timeout=15) == Refused(said)
        assert isinstance(events.get(timeout=15), Disconnected)


def test_shared_subscriptions_are_only_missed_where_they_are_used() -> None:
    with ScriptedBroker(announced={SHARED_SUBSCRIPTIONS_AVAILABLE: 0}) as broker:
        with events_of(broker) as events:
            assert isinstance(events.get(timeout=15), Connected)
        with events_of(broker, "$share/group/t") as events:
            refused = events.get(timeout=15)
            assert isinstance(refused, Refused)
            assert "(Shared subscription not supported): set shared_subscription = false" in str(refused)


def test_a_broker_that_is_busy_is_not_a_refusal() -> None:
    with (
        ScriptedBroker(connack_reason=SERVER_BUSY) as broker,
        events_of(broker) as events,
    ):
        disconnected = events.get(timeout=15)
        assert isinstance(disconnected, Disconnected)
        assert "refused this client (Server busy): if it lasts, give the broker more resources" in disconnected.reason
        broker.connack_reason = 0
        while not isinstance(events.get(timeout=15), Connected):
            pass
