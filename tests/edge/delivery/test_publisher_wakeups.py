"""The publisher sleeps until something happens: it neither polls the outbox nor misses a change."""

import os
import queue
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from outboxes import SimulatedMachine, append_observations
from polling import wait_for, wait_until_quiet
from running_collector import running_collector
from samples import make_draft

from mien.broker.settings import CollectorSettings
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.delivery.publisher import Publisher
from mien.edge.delivery.timings import PublisherTimings
from mien.edge.health.watchdog import LOOP_TIMEOUT_S
from mien.mqtt.connection import Connection
from mien.mqtt.events import Event, Message, Received

CLOCK = Clock("trusted")
NEVER_POLLS = PublisherTimings(max_wait_s=60.0)
"""Anything that it does within a minute, it does in response to an event."""


def make_publisher(
    settings: CollectorSettings,
    outbox: Outbox,
    *,
    clock: Clock = CLOCK,
    clock_wait_s: float = 0.0,
    heartbeat: Callable[[], None] = lambda: None,
    timings: PublisherTimings = NEVER_POLLS,
) -> Publisher:
    return Publisher(
        settings.mqtt,
        device="hallway",
        model_id="0123456789ab",
        outbox=outbox,
        clock=clock,
        clock_wait_s=clock_wait_s,
        heartbeat=heartbeat,
        timings=timings,
    )


@pytest.fixture
def statements(outbox: Outbox) -> list[str]:
    """Every SQL statement that the outbox executes from now on."""
    statements: list[str] = []
    with outbox._file.connection() as database:
        database.set_trace_callback(statements.append)
    return statements


@pytest.fixture
def published(settings: CollectorSettings) -> Iterator["queue.Queue[Event]"]:
    """What arrives at the broker on the device's observation topic."""
    events: queue.Queue[Event] = queue.Queue()
    topic = "mien/hallway/observation"
    with Connection(
        settings.mqtt, client_id="watcher", will=Message("gone", b""), subscriptions=[topic], events=events
    ):
        events.get(timeout=15)  # connected
        yield events


def test_an_idle_publisher_does_not_query_sqlite_and_sends_heartbeats(
    settings: CollectorSettings, outbox: Outbox, statements: list[str]
) -> None:
    heartbeats: list[float] = []
    timings = PublisherTimings(max_wait_s=0.2)
    outbox.append(make_draft(), CLOCK.now())
    with (
        running_collector(settings),
        make_publisher(
            settings, outbox, heartbeat=lambda: heartbeats.append(time.monotonic()), timings=timings
        ) as publisher,
    ):
        assert publisher.drain(15)
        wait_for(lambda: publisher.is_collector_online)
        wait_until_quiet(statements)
        statements.clear()
        heartbeats.clear()
        time.sleep(0.8)  # eight times as long as it once waited between two queries
        assert statements == []
        assert 2 <= len(heartbeats) <= 6


def test_its_heartbeats_are_in_time_for_the_watchdog() -> None:
    assert PublisherTimings().max_wait_s < LOOP_TIMEOUT_S / 4


def test_an_idle_publisher_still_reports_its_health(
    settings: CollectorSettings, outbox: Outbox, statements: list[str]
) -> None:
    timings = PublisherTimings(max_wait_s=60.0, health_interval_s=0.2)
    with running_collector(settings), make_publisher(settings, outbox, timings=timings) as publisher:
        wait_for(lambda: publisher.is_collector_online)
        wait_for(lambda: sum("first_seq" in statement for statement in statements) >= 4)


def test_an_observation_is_published_at_once(
    settings: CollectorSettings, outbox: Outbox, published: "queue.Queue[Event]"
) -> None:
    with running_collector(settings), make_publisher(settings, outbox) as publisher:
        wait_for(lambda: publisher.is_collector_online)
        delays_s = []
        for _ in range(5):
            appended_s = time.monotonic()
            outbox.append(make_draft(), CLOCK.now())
            assert isinstance(published.get(timeout=15), Received)
            delays_s.append(time.monotonic() - appended_s)
        assert publisher.drain(15)
    assert sorted(delays_s)[2] < 0.1


def test_observations_that_were_made_without_a_collector_are_published_when_one_appears(
    settings: CollectorSettings, outbox: Outbox
) -> None:
    with make_publisher(settings, outbox) as publisher:
        outbox.append(make_draft(), CLOCK.now())
        with running_collector(settings):
            assert publisher.drain(15)


def test_an_observation_is_published_from_the_file_that_replaces_a_corrupt_one(
    tmp_path: Path, settings: CollectorSettings, outbox: Outbox
) -> None:
    with running_collector(settings), make_publisher(settings, outbox) as publisher:
        append_observations(outbox, 60)
        assert publisher.drain(15)
        with outbox._file.connection() as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        corrupt_id = outbox.id
        content = (tmp_path / "outbox.db").read_bytes()
        (tmp_path / "outbox.db").write_bytes(content[:4096] + os.urandom(len(content) - 4096))
        with outbox._file.connection() as database:
            database.execute("PRAGMA shrink_memory")
        assert outbox.append(make_draft(), CLOCK.now()).outbox != corrupt_id
        assert publisher.drain(15)


def test_observations_are_published_as_soon_as_the_clock_is_synchronized(
    tmp_path: Path, settings: CollectorSettings, outbox: Outbox, statements: list[str]
) -> None:
    machine = SimulatedMachine(tmp_path)
    clock = machine.clock()
    with (
        running_collector(settings),
        make_publisher(settings, outbox, clock=clock, clock_wait_s=60.0) as publisher,
    ):
        wait_for(lambda: publisher.is_collector_online)
        machine.observe(outbox, clock)
        wait_until_quiet(statements)  # while the row is held back, the publisher reads only the clock's state
        assert outbox.count_waiting() == 1
        machine.is_synchronized = True
        assert publisher.drain(5)


def test_a_drain_ends_when_the_last_row_turns_out_to_be_damaged(settings: CollectorSettings, outbox: Outbox) -> None:
    outbox.append(make_draft(), CLOCK.now())
    with outbox._file.connection() as database:
        database.execute("UPDATE message SET payload = x'00ff'")
    with running_collector(settings), make_publisher(settings, outbox) as publisher:
        assert publisher.drain(5)
