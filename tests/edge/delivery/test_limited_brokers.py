"""From outbox to database over MQTT brokers that accept less than mosquitto does by default."""

import logging
import queue
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

import pytest
from mosquitto import Mosquitto
from outboxes import without_syncing
from polling import wait_for
from running_collector import running_collector
from samples import make_draft

from mien.broker.settings import CollectorSettings
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.delivery.publisher import Publisher
from mien.edge.delivery.timings import PublisherTimings
from mien.messages.health import CameraHealth, Health, OutboxHealth, SensorHealth, VisionHealth, decode_health
from mien.messages.status import CollectorStatus, decode_collector_status
from mien.mqtt.connection import Connection
from mien.mqtt.events import Connected, Event, Message, Received
from mien.mqtt.settings import MqttSettings
from mien.mqtt.timings import ConnectionTimings

Protocol = Literal["auto", "3.1.1"]

CLOCK = Clock("trusted")
TIMINGS = PublisherTimings(
    first_resend_s=0.3, max_resend_s=2.0, retry_s=0.1, connection=ConnectionTimings(first_retry_s=0.1)
)


def build_full_health(outbox: OutboxHealth) -> Health:
    """A report of about 1,500 bytes."""
    return Health(
        outbox=outbox,
        sensor=SensorHealth(kind="pir", state="ok", wakes_last_hour=3, period_s=None),
        camera=CameraHealth(kind="rpicam", state="failing", failures=2, error="é" * 200),
        vision=VisionHealth(
            model="0123456789ab",
            model_error="é" * 200,
            frames=9,
            faces=8,
            too_small=1,
            blurred=0,
            frame_ms_p50=80.5,
            frame_ms_p95=91.25,
            inference_ms_p50=4,
            inference_ms_p95=5,
        ),
    )


def append_observations(outbox: Outbox, count: int) -> set[str]:
    with without_syncing(outbox):
        observations = [outbox.append(make_draft(), CLOCK.now()) for _ in range(count)]
    return {str(observation.id) for observation in observations}


def make_publisher(settings: CollectorSettings, outbox: Outbox) -> Publisher:
    return Publisher(
        settings.mqtt,
        device="hallway",
        model_id="0123456789ab",
        outbox=outbox,
        clock=CLOCK,
        build_health=build_full_health,
        timings=TIMINGS,
    )


def read_log_ids(settings: CollectorSettings) -> set[str]:
    with closing(sqlite3.connect(settings.database)) as database:
        return {identifier for (identifier,) in database.execute("SELECT id FROM emotion_log")}


@contextmanager
def watching(port: int, *subscriptions: str) -> Iterator[Callable[..., Received]]:
    """A function that returns the next message."""
    events: queue.Queue[Event] = queue.Queue()

    def next_message(timeout_s: float = 15) -> Received:
        while not isinstance(event := events.get(timeout=timeout_s), Received):
            pass
        return event

    with Connection(
        MqttSettings(port=port), client_id="watcher", will=Message("w", b""), subscriptions=subscriptions, events=events
    ):
        assert isinstance(events.get(timeout=15), Connected)
        yield next_message


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., CollectorSettings]:
    def make(broker: Mosquitto, protocol: Protocol = "auto") -> CollectorSettings:
        mqtt = MqttSettings(port=broker.port, protocol=protocol)
        return CollectorSettings(database=str(tmp_path / "mien.db"), mqtt=mqtt)

    return make


@pytest.mark.parametrize("protocol", ["auto", "3.1.1"])
def test_at_1024_bytes_observations_flow_and_the_rest_is_cut_or_left_out_with_a_line(
    start_mosquitto: Callable[..., Mosquitto],
    make_settings: Callable[..., CollectorSettings],
    outbox: Outbox,
    protocol: Protocol,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = start_mosquitto("allow_anonymous true", "max_packet_size 1024")
    settings = make_settings(broker, protocol)
    ids = append_observations(outbox, 300)
    with (
        caplog.at_level(logging.WARNING),
        watching(broker.port, "mien/hallway/health") as next_message,
        running_collector(settings),
        make_publisher(settings, outbox) as publisher,
    ):
        assert publisher.drain(60)
        health = decode_health(next_message(60).payload)
        assert health.outbox.next_seq >= 300
        assert (health.camera, health.vision) == (None, None)
        for line in (  # under 3.1.1 the limit has to be learned
            "Home Assistant's discovery of hallway is left out: it needs",
            "the health report contains only the outbox: a whole one needs",
        ):
            wait_for(lambda line=line: line in caplog.text, timeout_s=60)  # type: ignore[misc]
    assert read_log_ids(settings) == ids
    if protocol == "auto":
        assert "ended" not in caplog.text


@pytest.mark.parametrize(
    "limit", ["max_qos 0", "max_qos 1", "retain_available false", "max_inflight_messages 1", "message_size_limit 1024"]
)
def test_whatever_the_broker_limits_each_observation_arrives_once(
    start_mosquitto: Callable[..., Mosquitto],
    make_settings: Callable[..., CollectorSettings],
    outbox: Outbox,
    limit: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = make_settings(start_mosquitto("allow_anonymous true", limit))
    ids = append_observations(outbox, 300)
    with running_collector(settings), make_publisher(settings, outbox) as publisher:
        assert publisher.drain(60)
    assert read_log_ids(settings) == ids
    assert "the MQTT broker ended the connection" not in caplog.text


def test_where_nothing_is_retained_whoever_comes_later_learns_of_the_others(
    start_mosquitto: Callable[..., Mosquitto], make_settings: Callable[..., CollectorSettings], outbox: Outbox
) -> None:
    broker = start_mosquitto("allow_anonymous true", "retain_available false")
    settings = make_settings(broker)
    ids = append_observations(outbox, 3)
    with watching(broker.port, "mien/_collector/+/status", "mien/hallway/status") as next_message:
        with make_publisher(settings, outbox) as publisher:
            assert next_message().topic == "mien/hallway/status"
            with running_collector(settings):  # later than the device
                assert publisher.drain(15)
                topics = {next_message().topic for _ in range(2)}
                assert topics == {"mien/_collector/collector/status", "mien/hallway/status"}
        ids |= append_observations(outbox, 3)
        with running_collector(settings):
            while _state(next_message()) != "online":
                pass
            with make_publisher(settings, outbox) as publisher:  # later than the collector
                assert publisher.drain(15)
    assert read_log_ids(settings) == ids


def _state(message: Received) -> str:
    """A collector's state; empty for a device's status."""
    status: CollectorStatus | None = None
    if "/_collector/" in message.topic:
        status = decode_collector_status(message.payload)
    return status.state if status else ""
