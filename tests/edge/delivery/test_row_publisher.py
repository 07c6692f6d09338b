"""Rows are published one by one in real time and in batches to catch up, and none of them blocks the others."""

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from uuid import UUID

import pytest
from mosquitto import Mosquitto
from outboxes import TIMESTAMP, SimulatedMachine, append_observations, without_syncing
from polling import wait_for, wait_until_quiet
from recording_collector import RecordingCollector
from samples import make_draft

from mien.edge.delivery.clock import Clock
from mien.edge.delivery.in_flight import MAX_IN_FLIGHT
from mien.edge.delivery.outbox import Outbox
from mien.edge.delivery.publisher import Publisher
from mien.edge.delivery.row_publisher import MAX_LOGGED_REJECTS, MAX_MESSAGES_IN_FLIGHT, MAX_ROWS_ONE_BY_ONE
from mien.edge.delivery.timings import PublisherTimings
from mien.messages.acknowledgement import ERASED
from mien.mqtt.settings import MqttSettings
from mien.mqtt.timings import ConnectionTimings

CLOCK = Clock("trusted")
PATIENT = PublisherTimings(max_wait_s=60.0, connection=ConnectionTimings(first_retry_s=0.1))
"""Resends nothing within a test, unless the connection ends."""
IMPATIENT = PublisherTimings(first_resend_s=0.3, max_resend_s=2.0, connection=ConnectionTimings(first_retry_s=0.1))


def make_publisher(
    broker: Mosquitto,
    outbox: Outbox,
    timings: PublisherTimings = PATIENT,
    *,
    clock: Clock = CLOCK,
    clock_wait_s: float = 0.0,
) -> Publisher:
    return Publisher(
        MqttSettings(port=broker.port),
        device="hallway",
        model_id="0123456789ab",
        outbox=outbox,
        clock=clock,
        clock_wait_s=clock_wait_s,
        timings=timings,
    )


def enlarge_rows(outbox: Outbox, first: int, last: int) -> None:
    """Add two thousand bytes to these rows, in a field that no collector knows."""
    with outbox._file.connection() as database:
        payload = "json_set(CAST(payload AS TEXT), '$.future', hex(randomblob(1000)))"
        database.execute(
            f"UPDATE message SET payload = CAST({payload} AS BLOB) WHERE seq BETWEEN ? AND ?",  # noqa: S608 (a constant)
            (first, last),
        )


def read_ids(outbox: Outbox) -> list[UUID]:
    with outbox._file.connection() as database:
        ids = database.execute("SELECT json_extract(CAST(payload AS TEXT), '$.id') FROM message ORDER BY seq")
        return [UUID(identifier) for (identifier,) in ids]


class CountingOutbox(Outbox):
    """Counts the rows that are read."""

    rows_read = 0

    def read_publishable(self, limit: int, *, after_seq: int = 0) -> list[tuple[int, bytes]]:
        rows = super().read_publishable(limit, after_seq=after_seq)
        self.rows_read += len(rows)
        return rows

    def read_unacknowledged(self, sequences: Iterable[int]) -> list[tuple[int, bytes]]:
        rows = super().read_unacknowledged(sequences)
        self.rows_read += len(rows)
        return rows


def test_a_backlog_is_sent_in_batches_oldest_first_and_each_row_is_read_once(tmp_path: Path, broker: Mosquitto) -> None:
    with CountingOutbox(tmp_path / "outbox.db", device="hallway") as outbox:
        append_observations(outbox, 3000)
        with RecordingCollector(broker.port) as collector, make_publisher(broker, outbox) as publisher:
            assert publisher.drain(30)
        assert [row.seq for row in collector.rows()] == list(range(1, 3001))
        assert len(collector.messages) < 20
        assert sum(len(payload) for payload in collector.messages) < 0.2 * 3000 * 500
        assert outbox.rows_read == 3000


def test_in_real_time_each_row_is_a_message_of_its_own(broker: Mosquitto, outbox: Outbox) -> None:
    with RecordingCollector(broker.port) as collector, make_publisher(broker, outbox) as publisher:
        wait_for(lambda: publisher.is_collector_online)
        for _ in range(2 * MAX_ROWS_ONE_BY_ONE):
            outbox.append(make_draft(), CLOCK.now())
            assert publisher.drain(15)
    assert collector.sizes() == [1] * 2 * MAX_ROWS_ONE_BY_ONE


@pytest.mark.parametrize("rows", [MAX_ROWS_ONE_BY_ONE, MAX_ROWS_ONE_BY_ONE + 1])
def test_a_batch_is_worthwhile_for_more_than_ten_rows(broker: Mosquitto, outbox: Outbox, rows: int) -> None:
    append_observations(outbox, rows)
    with RecordingCollector(broker.port) as collector, make_publisher(broker, outbox) as publisher:
        assert publisher.drain(15)
    assert collector.sizes() == ([1] * rows if rows <= MAX_ROWS_ONE_BY_ONE else [rows])


def test_no_batch_is_sent_while_a_collector_of_the_release_before_is_connected(
    broker: Mosquitto, outbox: Outbox
) -> None:
    with RecordingCollector(broker.port, name="new") as collector, make_publisher(broker, outbox) as publisher:
        with RecordingCollector(broker.port, name="old", batch=False):
            wait_for(lambda: len(publisher._collectors) == 2)
            with outbox._file.connection():  # the publisher waits until the block ends
                append_observations(outbox, 80)
            assert publisher.drain(30)
        assert collector.sizes() == [1] * 80
        wait_for(lambda: publisher._collectors["old"].state == "offline")
        with outbox._file.connection():
            append_observations(outbox, 80)
        assert publisher.drain(30)
        assert collector.sizes()[80:] == [80]


def test_at_most_a_thousand_rows_are_in_flight(broker: Mosquitto, outbox: Outbox) -> None:
    append_observations(outbox, MAX_IN_FLIGHT + 500)
    with RecordingCollector(broker.port) as collector, make_publisher(broker, outbox):
        collector.is_answering = False
        wait_for(lambda: len(collector.rows()) >= MAX_IN_FLIGHT)
        time.sleep(0.2)
    assert [row.seq for row in collector.rows()] == list(range(1, MAX_IN_FLIGHT + 1))


def test_without_batches_at_most_a_hundred_messages_are_in_flight(broker: Mosquitto, outbox: Outbox) -> None:
    append_observations(outbox, MAX_MESSAGES_IN_FLIGHT + 50)
    with RecordingCollector(broker.port, batch=False) as collector, make_publisher(broker, outbox):
        collector.is_answering = False
        wait_for(lambda: len(collector.messages) >= MAX_MESSAGES_IN_FLIGHT)
        time.sleep(0.2)
    assert collector.sizes() == [1] * MAX_MESSAGES_IN_FLIGHT


def test_rows_of_a_batch_that_is_not_acknowledged_go_alone(broker: Mosquitto, outbox: Outbox) -> None:
    append_observations(outbox, 50)
    with (
        RecordingCollector(broker.port, reads_batches=False) as collector,
        make_publisher(broker, outbox, IMPATIENT) as publisher,
    ):
        assert publisher.drain(15)
    first, *others = collector.sizes()
    assert first == 50
    assert set(others) == {1}
    assert {row.seq for row in collector.rows()[50:]} == set(range(1, 51))


def test_a_row_that_is_too_large_for_the_broker_waits_and_blocks_no_other(
    outbox: Outbox, start_mosquitto: Callable[..., Mosquitto], caplog: pytest.LogCaptureFixture
) -> None:
    broker = start_mosquitto("allow_anonymous true", "max_packet_size 1000")
    append_observations(outbox, 1800)
    enlarge_rows(outbox, 1, 1600)  # more than the window holds
    statements: list[str] = []
    with RecordingCollector(broker.port) as collector, make_publisher(broker, outbox):
        wait_for(lambda: outbox.count_waiting() == 1600)
        with outbox._file.connection() as database:
            database.set_trace_callback(statements.append)
        wait_until_quiet(statements)
        statements.clear()
        time.sleep(0.5)
        idle_statements = list(statements)
        outbox.append(make_draft(), CLOCK.now())
        wait_for(lambda: len({row.seq for row in collector.rows()}) == 201)
    assert {row.seq for row in collector.rows()} == set(range(1601, 1802))
    assert idle_statements == []
    too_large = [record.getMessage() for record in caplog.records if "accepts only" in record.getMessage()]
    assert len(too_large) == 1
    assert too_large[0].startswith("observation 1 has 2")
    assert "raise its limit on the size of a packet (mosquitto: max_packet_size)" in too_large[0]


def test_what_was_too_large_is_sent_once_the_broker_accepts_it(
    outbox: Outbox, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = start_mosquitto("allow_anonymous true", "max_packet_size 1000")
    append_observations(outbox, 3)
    enlarge_rows(outbox, 1, 1)
    with RecordingCollector(broker.port) as collector, make_publisher(broker, outbox) as publisher:
        wait_for(lambda: outbox.count_waiting() == 1)
        broker.stop()
        broker.config.write_text(broker.config.read_text().replace("max_packet_size 1000\n", ""))
        broker.start()
        assert publisher.drain(30)
    assert [row.seq for row in collector.rows()] == [2, 3, 1]


def test_an_erased_row_is_deleted_with_its_content(
    tmp_path: Path, broker: Mosquitto, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    append_observations(outbox, 40)
    first_id, *_, last_id = (str(identifier).encode() for identifier in read_ids(outbox))
    files = [tmp_path / "outbox.db", tmp_path / "outbox.db-wal"]
    assert any(first_id in file.read_bytes() for file in files)
    reasons = dict.fromkeys(range(1, 40), ERASED) | {40: "no such emotion"}
    caplog.set_level(logging.INFO)
    with RecordingCollector(broker.port, reasons=reasons), make_publisher(broker, outbox) as publisher:
        assert publisher.drain(15)
        contents = b"".join(file.read_bytes() for file in files)
    assert first_id not in contents
    assert last_id in contents
    with outbox._file.connection() as database:
        assert database.execute("SELECT seq, reject_reason FROM message").fetchall() == [(40, "no such emotion")]
    assert "39 observations have been erased at the collector: erased them here, too" in caplog.messages
    assert [message for message in caplog.messages if "rejected" in message] == [
        "the collector rejected observation 40: no such emotion"
    ]


def test_an_acknowledgement_of_many_rows_is_one_transaction_and_few_log_lines(
    broker: Mosquitto, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    append_observations(outbox, 400)
    statements: list[str] = []
    reasons = {seq: f"reason {seq}" for seq in range(1, 400, 2)}
    with RecordingCollector(broker.port, reasons=reasons), make_publisher(broker, outbox) as publisher:
        with outbox._file.connection() as database:
            database.set_trace_callback(statements.append)
        assert publisher.drain(15)
    assert sum(statement == "BEGIN IMMEDIATE" for statement in statements) == 1
    messages = [message for message in caplog.messages if "rejected" in message]
    assert len(messages) == MAX_LOGGED_REJECTS + 1
    assert messages[-1] == f"the collector rejected {200 - MAX_LOGGED_REJECTS} observations more"


def test_a_row_that_becomes_publishable_after_later_ones_is_sent(
    tmp_path: Path, broker: Mosquitto, outbox: Outbox
) -> None:
    machine = SimulatedMachine(tmp_path)
    clock = machine.clock()
    with (
        RecordingCollector(broker.port) as collector,
        make_publisher(broker, outbox, clock=clock, clock_wait_s=600.0) as publisher,
    ):
        machine.observe(outbox, clock)
        outbox.append(make_draft(), TIMESTAMP)
        wait_for(lambda: len(collector.messages) == 1)
        assert outbox.count_waiting() >= 1
        machine.is_synchronized = True
        assert publisher.drain(15)
    assert [row.seq for row in collector.rows()] == [2, 1]


def test_a_backlog_survives_kills_of_the_broker_and_restarts_of_the_publisher(
    broker: Mosquitto, outbox: Outbox
) -> None:
    append_observations(outbox, 4000)
    ids = set(read_ids(outbox))
    with RecordingCollector(broker.port) as collector:
        for rows in (300, 1200, 2500):
            with make_publisher(broker, outbox, IMPATIENT):
                wait_for(lambda rows=rows: outbox.count_waiting() < 4000 - rows)  # type: ignore[misc]
                broker.kill()
            broker.start()
            with without_syncing(outbox):
                ids.add(outbox.append(make_draft(), CLOCK.now()).id)
        with make_publisher(broker, outbox, IMPATIENT) as publisher:
            assert publisher.drain(30)
        assert {row.id for row in collector.rows()} == ids
