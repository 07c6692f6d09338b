"""Collectors that share one PostgreSQL database; shared_log.py URL SECONDS is one of them.

Each decodes and commits rows as fast as it can, without MQTT. As a shared subscription deals them, each row is of any
of a thousand devices.
"""

import random
import signal
import sys
import time
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a child process

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.ingest.message import IncomingMessage, decode_message
from mien.broker.ingest.store import Store
from mien.broker.intake.deferred_rows import DeferredRows
from mien.messages.observation import encode_observation
from parts.drafts import make_drafts
from parts.measure import ChildProcess

DEVICES = 1000
BATCH = 125
"""Rows in a quarter of a second for each of two collectors, if every device sends one row a second."""
COMMIT_DELAY_US = 20_000
SAMPLE_S = 0.01
START_S = 2.0
"""All begin at the next multiple of this: one that is ready waits for the others."""
MAX_ROWS_PER_S = 5000
"""So many are prepared by each collector, so that making them costs nothing while it is measured."""
SET_DELAY = "ALTER DATABASE {database} SET commit_delay = {delay_us}; ALTER DATABASE {database} SET commit_siblings = 0"
SAMPLE = """SELECT count(*) FILTER (WHERE wait_event_type = 'Lock'), count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"""
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


class SharedLog:
    """An empty database in which collectors commit side by side, each commit taking 20 ms to reach the disk."""

    def __init__(self, url: str) -> None:
        self.url = url
        open_for_writing(url).dispose()
        self._engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        with self._engine.connect() as connection:
            name = f'"{make_url(url).database}"'
            for statement in SET_DELAY.format(database=name, delay_us=COMMIT_DELAY_US).split(";"):
                connection.exec_driver_sql(statement)

    def run(self, collectors: int, seconds: float) -> tuple[float, float]:
        """Rows a second that this many collectors store together; their share of waiting for locks in transactions."""
        waiting = working = 0
        with ExitStack() as stack:
            command = [sys.executable, __file__, self.url, str(seconds)]
            children = [stack.enter_context(ChildProcess("a collector", command)) for _ in range(collectors)]
            for child in children:
                child.wait_for_line("ready")
            with self._engine.connect() as connection:
                end_s = time.monotonic() + START_S + seconds
                while time.monotonic() < end_s:
                    locked, transactions = connection.execute(text(SAMPLE)).one()
                    waiting, working = waiting + locked, working + transactions
                    time.sleep(SAMPLE_S)
            rates = [float(child.wait_for_line("stored per second: ")) for child in children]
        return sum(rates), waiting / max(1, working)

    def deadlocks(self) -> int:
        """How many transactions PostgreSQL has ended for a deadlock."""
        with self._engine.connect() as connection:
            return int(connection.execute(text(DEADLOCKS)).scalar_one())

    def problems(self) -> str:
        """What `mien db check` finds: among others counts that differ from the rows."""
        reader = open_for_reading(self.url)
        try:
            return "; ".join(filter(None, check_log(reader).problems.values()))
        finally:
            reader.dispose()


def make_messages(count: int) -> list[tuple[str, bytes]]:
    """Devices in random order and their next messages."""
    source = random.Random()
    devices = [f"device-{number}" for number in range(DEVICES)]
    rows_each = -(-count // DEVICES)
    drafts = {device: make_drafts(device, rows_each, source) for device in devices}
    outboxes = {device: uuid4() for device in devices}
    return [
        (device, encode_observation(next(drafts[device]).to_observation(outbox=outboxes[device], seq=seq)))
        for seq in range(1, rows_each + 1)
        for device in source.sample(devices, DEVICES)
    ]


def collect(url: str, seconds: float) -> float:
    """Rows a second that were stored, as the collector does: what it cannot lock waits for its next transaction."""
    store, deferred = Store(open_for_writing(url)), DeferredRows[IncomingMessage]()
    messages = iter(make_messages(round(MAX_ROWS_PER_S * seconds)))
    print("ready", flush=True)
    time.sleep(START_S - time.time() % START_S)  # with the others
    stored, begun_s = 0, time.monotonic()
    while time.monotonic() - begun_s < seconds:
        batch = [*deferred.take()]
        now_ms = round(time.time() * 1000)
        batch += [
            decode_message(topic="", payload=payload, received_ms=now_ms, device=device)
            for device, payload in islice(messages, BATCH - len(batch))
        ]
        outcome = store.record(batch, urgent=deferred.urgent_devices)
        deferred.keep(outcome.deferred)
        stored += outcome.stored
    return stored / (time.monotonic() - begun_s)


if __name__ == "__main__":
    print(f"stored per second: {collect(sys.argv[1], float(sys.argv[2]))}", flush=True)
    signal.pause()
