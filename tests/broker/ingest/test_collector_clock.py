"""A collector whose server has a wrong clock, from the device's outbox to both databases."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mosquitto import Mosquitto
from outboxes import TIMESTAMP
from polling import wait_for
from running_collector import running_collector
from samples import make_draft, make_observation
from simulated_time import NOW_MS, SimulatedServer
from sqlalchemy import Table, func, select, text
from uuid6 import uuid7

from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.database.schema import observation, rejected
from mien.broker.ingest.collector import Collector
from mien.broker.ingest.message import IncomingMessage, decode_message
from mien.broker.ingest.metrics import Metrics
from mien.broker.ingest.store import Store
from mien.broker.settings import CollectorSettings
from mien.broker.timekeeping.server_clock import DAY_MS
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.delivery.publisher import Publisher
from mien.edge.delivery.timings import PublisherTimings
from mien.messages.observation import encode_observation
from mien.mqtt.settings import MqttSettings
from mien.mqtt.timings import ConnectionTimings

NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
TIMINGS = PublisherTimings(
    first_resend_s=0.3, max_resend_s=0.5, retry_s=0.1, connection=ConnectionTimings(first_retry_s=0.1)
)


@pytest.fixture
def store(log: str) -> Iterator[Store]:
    engine = open_for_writing(log)
    yield Store(engine)
    engine.dispose()


def make_messages(count: int, *, days_ago: float = 0) -> list[IncomingMessage]:
    """As received from one device, which observed them in that moment."""
    at, outbox = NOW - timedelta(days=days_ago), uuid7()
    return [
        decode_message(
            topic="mien/hallway/observation",
            payload=encode_observation(make_observation(outbox, seq, device="hallway", at=at)),
            received_ms=round(at.timestamp() * 1000),
            device="hallway",
        )
        for seq in range(1, count + 1)
    ]


def count_rows(log: str, table: Table = observation) -> int:
    with open_for_reading(log).connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def read_state(log: str) -> tuple[str, str]:
    """As the dashboard shows it."""
    with open_for_reading(log).connect() as connection:
        row = connection.execute(text("SELECT state, reason FROM collector_state")).first()
        return (row.state, row.reason) if row else ("", "")


@contextmanager
def running_offline(log: str, server: SimulatedServer, store: Store) -> Iterator[None]:
    """A collector without an MQTT broker."""
    stopping = threading.Event()
    collector = Collector(
        CollectorSettings(database=log, mqtt=MqttSettings(port=1)),
        store=store,
        metrics=Metrics(),
        server_clock=server.clock(),
        batch_s=0.02,
    )
    thread = threading.Thread(target=collector.run, args=[stopping])
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def wait_for_collector(server: SimulatedServer) -> None:
    """Wait until a collector has judged the clock as it is now, and done what it does then."""
    reads = server.reads
    wait_for(lambda: server.reads >= reads + 20)


def pass_days(server: SimulatedServer, days: float) -> None:
    """Let time pass while a collector watches."""
    wait_for_collector(server)
    server.run_days(days)
    wait_for_collector(server)


def wait_for_retention(server: SimulatedServer, log: str) -> None:
    """Wait until no row is left, while the hours between two passes over the log go by."""

    def is_empty() -> bool:
        server.run_days(0.1)
        return count_rows(log) == 0

    wait_for(is_empty)


@pytest.mark.parametrize("is_synchronized", [True, False, None])
def test_a_server_a_month_ahead_at_the_start_deletes_nothing(
    log: str, store: Store, is_synchronized: bool | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for days_ago in (28, 15, 0):
        store.record(make_messages(10, days_ago=days_ago))
    server = SimulatedServer(wall_ms=NOW_MS + 31 * DAY_MS, is_synchronized=is_synchronized)
    with running_offline(log, server, store):
        wait_for(lambda: "31 days ahead of the log" in caplog.text)
        pass_days(server, 0.5)
        pass_days(server, 0.2)
        assert count_rows(log) == 30
        assert "deleted" not in caplog.text.replace("are not deleted", "")
    with running_offline(log, server, store):  # another start does not make the clock better
        pass_days(server, 0.1)
        pass_days(server, 0.1)
        assert count_rows(log) == 30
        if is_synchronized:
            pass_days(server, 0.2)
            wait_for_retention(server, log)
    assert ("deleted after 30 days: observation 30" in caplog.text) == (is_synchronized is True)


def test_a_step_of_the_clock_while_it_runs_deletes_nothing(
    log: str, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.record(make_messages(10))
    server = SimulatedServer()
    with running_offline(log, server, store):
        wait_for_collector(server)
        server.step_days(365)
        wait_for(lambda: "set forward by 365 days" in caplog.text)
        pass_days(server, 0.5)
        pass_days(server, 0.5)
        assert count_rows(log) == 10
        server.step_days(-365)
        wait_for(lambda: "believed again" in caplog.text)
        pass_days(server, 30)
        wait_for_retention(server, log)


def test_a_server_a_year_behind_is_busy_until_its_clock_is_right(
    log: str, store: Store, tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    store.record(make_messages(1))
    settings = CollectorSettings(database=log, mqtt=MqttSettings(port=start_mosquitto().port))
    server = SimulatedServer(wall_ms=NOW_MS - 365 * DAY_MS)
    metrics = Metrics()
    with (
        Outbox(tmp_path / "outbox.db", device="hallway") as outbox,
        running_collector(settings, metrics, server.clock()),
        _publisher(settings, outbox) as publisher,
    ):
        timestamp = replace(TIMESTAMP, at=NOW)
        for _ in range(20):
            outbox.append(make_draft(at=NOW), timestamp)
        wait_for(lambda: read_state(log) == ("busy", "clock"))
        assert metrics.registry.get_sample_value("mien_busy", {"reason": "clock"}) == 1
        assert metrics.registry.get_sample_value("mien_online") == 0
        assert not publisher.drain(1.0)
        assert (outbox.count_waiting(), count_rows(log), count_rows(log, rejected)) == (20, 1, 0)
        server.step_days(365)
        assert publisher.drain(30)
        assert read_state(log) == ("online", "")
        assert metrics.registry.get_sample_value("mien_busy", {"reason": "clock"}) == 0
    assert (count_rows(log), count_rows(log, rejected)) == (21, 0)


def test_a_wrong_log_does_not_stop_a_server_that_is_synchronized(
    log: str, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.record(make_messages(5, days_ago=-365))
    server = SimulatedServer()
    with running_offline(log, server, store):
        wait_for(lambda: read_state(log) == ("busy", "clock"))
        server.is_synchronized = True
        wait_for(lambda: read_state(log) == ("online", ""))
    server.is_synchronized = False
    caplog.clear()
    with running_offline(log, server, store):
        pass_days(server, 0.1)
    assert count_rows(log) == 5
    assert not caplog.messages or "behind" not in caplog.text


@pytest.mark.parametrize("is_synchronized", [True, False])
def test_one_device_from_the_future_is_rejected_only_by_a_clock_that_is_confirmed(
    log: str,
    store: Store,
    tmp_path: Path,
    start_mosquitto: Callable[..., Mosquitto],
    is_synchronized: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = CollectorSettings(database=log, mqtt=MqttSettings(port=start_mosquitto().port))
    server = SimulatedServer(is_synchronized=is_synchronized)
    ahead = NOW + timedelta(days=365)
    with (
        Outbox(tmp_path / "outbox.db", device="hallway") as outbox,
        Outbox(tmp_path / "bad.db", device="kitchen") as bad_outbox,
        running_collector(settings, server_clock=server.clock()),
        _publisher(settings, bad_outbox, "kitchen"),
        _publisher(settings, outbox) as publisher,
    ):
        bad_outbox.append(make_draft(device="kitchen", at=ahead), replace(TIMESTAMP, at=ahead))
        if is_synchronized:
            wait_for(lambda: count_rows(log, rejected) == 1)
        else:
            wait_for(lambda: "not answered yet, messages of kitchen: 1" in caplog.text)
        outbox.append(make_draft(at=NOW), replace(TIMESTAMP, at=NOW))
        assert publisher.drain(30)
        assert read_state(log) == ("online", "")
        assert count_rows(log) == 1
        server.is_synchronized = True
        wait_for(lambda: bad_outbox.count_waiting() == 0)
    assert count_rows(log, rejected) == 1


def _publisher(settings: CollectorSettings, outbox: Outbox, device: str = "hallway") -> Publisher:
    return Publisher(
        settings.mqtt, device=device, model_id="0123456789ab", outbox=outbox, clock=Clock("trusted"), timings=TIMINGS
    )
