"""Batches on a real mosquitto: each row of one is decoded, answered, rejected and counted alone."""

import logging
import zlib
from collections.abc import Callable, Iterator

import pytest
from mosquitto import Mosquitto
from mqtt_device import Device
from polling import wait_for
from running_collector import running_collector
from samples import make_observation
from sqlalchemy import text

from mien.broker.database.engine import open_for_reading
from mien.broker.ingest.metrics import Metrics
from mien.broker.intake.fair_queue import ROW_BYTES
from mien.broker.settings import CollectorSettings
from mien.messages.batch import MAX_BATCH_MESSAGES, encode_batch
from mien.messages.observation import encode_observation
from mien.mqtt.settings import MqttSettings


@pytest.fixture
def broker(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return start_mosquitto()


@pytest.fixture
def settings(log: str, broker: Mosquitto) -> CollectorSettings:
    return CollectorSettings(database=log, mqtt=MqttSettings(port=broker.port))


@pytest.fixture
def device(settings: CollectorSettings) -> Iterator[Device]:
    device = Device(settings.mqtt)
    with device.connection:
        device.wait_connected()
        yield device


def row(device: Device, seq: int, **changes: object) -> bytes:
    return encode_observation(make_observation(device.outbox, seq, device=device.name, **changes))


def select(settings: CollectorSettings, query: str) -> list[tuple[object, ...]]:
    engine = open_for_reading(settings.database)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text(query))]
    engine.dispose()
    return rows


def test_its_status_says_that_it_accepts_batches(settings: CollectorSettings, device: Device) -> None:
    with running_collector(settings):
        assert device.status().batch
    assert device.status().state == "offline"


def test_all_rows_of_a_full_batch_are_stored_and_answered(settings: CollectorSettings, device: Device) -> None:
    with running_collector(settings):
        device.wait_online()
        device.send(encode_batch([row(device, seq) for seq in range(1, 301)]), row(device, 301))
        assert device.answers(301) == (set(range(1, 302)), {})
    assert select(settings, "SELECT count(*) FROM observation") == [(301,)]


def test_each_row_of_a_batch_is_decided_alone(settings: CollectorSettings, device: Device) -> None:
    metrics = Metrics()
    duplicate = row(device, 1)
    with running_collector(settings, metrics):
        device.wait_online()
        device.send(
            encode_batch(
                [
                    duplicate,
                    row(device, 2).replace(b'"happy",', b'"smug",'),
                    row(device, 3),
                    b'"no object"',
                    encode_observation(make_observation(device.outbox, 4, device="kitchen")),
                    duplicate,
                ]
            )
        )
        stored, rejected = device.answers(4)
    assert stored == {1, 3}
    assert rejected == {
        2: "Invalid enum value 'smug' - at `$.emotion`",
        4: "device kitchen on the topic of hallway",
    }
    assert select(settings, "SELECT count(*) FROM rejected") == [(3,)]
    assert metrics.registry.get_sample_value("mien_stored_total") == 2
    assert metrics.registry.get_sample_value("mien_duplicates_total") == 1
    for reason in ("body", "device", "envelope"):
        assert metrics.registry.get_sample_value("mien_rejected_total", {"reason": reason}) == 1


@pytest.mark.parametrize(
    "damaged",
    [
        zlib.compress(bytes(50_000_000)),
        encode_batch([b"1", b"2"])[:-3],
        encode_batch([b"1", b"2"]) + b"more",
        zlib.compress(b'{"schema":1,"kind":"batch","messages":[' + b"[" * 100_000),
        zlib.compress(b'{"schema":1,"kind":"batch","messages":[' + b"1," * MAX_BATCH_MESSAGES + b"1]}"),
        zlib.compress(b'{"schema":1,"kind":"batch","messages":[]}'),
        zlib.compress(zlib.compress(b'{"schema":1,"kind":"batch","messages":[1]}')),
        b"\x78",
    ],
    ids=["bomb", "truncated", "trailing", "nested", "too many", "empty", "compressed twice", "one byte"],
)
def test_a_batch_that_cannot_be_opened_is_one_rejected_message(
    settings: CollectorSettings, device: Device, damaged: bytes
) -> None:
    with running_collector(settings):
        device.wait_online()
        device.send(damaged, row(device, 1))
        assert device.answers(1) == ({1}, {})
    assert select(settings, "SELECT count(*) FROM rejected") == [(1,)]


def test_rejected_rows_get_one_line_a_device_and_minute(
    settings: CollectorSettings, device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with running_collector(settings):
        device.wait_online()
        for first in range(1, 1000, 100):
            damaged = [row(device, seq).replace(b'"happy",', b'"smug",') for seq in range(first, first + 100)]
            device.send(encode_batch(damaged))
            device.answers(100)
    lines = [record.getMessage() for record in caplog.records if "rejected messages" in record.getMessage()]
    assert len(lines) == 2  # at once, and when it stops
    assert all("of hallway" in line and "Invalid enum value 'smug'" in line for line in lines)
    assert sum(int(line.split(": ")[1].split(",")[0]) for line in lines) == 1000


def test_long_answers_fit_through_a_broker_that_takes_only_short_messages(
    log: str, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = start_mosquitto("allow_anonymous true", "max_packet_size 1200")
    settings = CollectorSettings(database=log, mqtt=MqttSettings(port=broker.port))
    device = Device(settings.mqtt)
    with device.connection, running_collector(settings):
        device.wait_online()
        for seq in range(1, 101):
            payload = row(device, seq)
            device.send(payload.replace(b'"happy",', b'"%s",' % (b"x" * 150)) if seq % 2 else payload)
        stored, rejected = device.answers(100)
    assert stored == set(range(2, 101, 2))
    assert rejected.keys() == set(range(1, 101, 2))
    assert max(device.acknowledgement_bytes) < 1200


def test_a_device_that_sends_too_many_rows_only_loses_its_own_and_is_named(
    settings: CollectorSettings, device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    metrics = Metrics()
    kitchen = Device(settings.mqtt, "kitchen")
    flood = row(device, 1)
    sent = 2000
    with kitchen.connection, running_collector(settings, metrics, max_waiting_bytes=30 * (len(flood) + ROW_BYTES)):
        kitchen.wait_online()
        for number in range(sent):
            device.send(flood)
            if number % 200 == 0:
                kitchen.send(row(kitchen, number // 200 + 1))
        assert kitchen.answers(10) == (set(range(1, 11)), {})
        name = "mien_discarded_rows_total"
        wait_for(lambda: (metrics.registry.get_sample_value(name, {"device": "hallway"}) or 0) > sent / 2)
        assert metrics.registry.get_sample_value(name, {"device": "kitchen"}) is None
    discarded = metrics.registry.get_sample_value(name, {"device": "hallway"})
    assert select(settings, "SELECT name, rows FROM discarded JOIN device ON discarded.device = device.key") == [
        ("hallway", discarded)
    ]
    lines = [record.getMessage() for record in caplog.records if "discarded rows" in record.getMessage()]
    assert 1 <= len(lines) <= 2
    assert all("discarded rows of hallway: " in line for line in lines)


def test_the_state_of_the_collector_is_in_the_log(settings: CollectorSettings) -> None:
    query = "SELECT name, state, reason FROM collector_state"
    with running_collector(settings):
        wait_for(lambda: select(settings, query) == [("collector", "online", "")])
    assert select(settings, query) == [("collector", "offline", "")]
