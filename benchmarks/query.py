"""What queries of the log cost: python benchmarks/query.py [--rows N] [--json].

Makes two logs of twenty devices and thirty days, as the collector stores them: one of N rows, one of a tenth. A million
rows take about a minute and 200 MB; ten million, the default, a quarter of an hour and 3 GB.

rollup_speedup: counting by hour, emotion and device in SQL from an index over (device, at_ms, emotion), created for
  this, relative to the product's own statement on its rollup; rollup_speedup_device: the same for one device.
query_speedup: the former relative to the product's complete query, which decodes and sorts a hundred thousand rows and
  adds shares. All must return the same counts.
growth_10x: the product's statement on the large log, relative to the same on the small one.
answer_over_sql: the product's complete query, as columns, relative to its own SQL, whose rows are fetched as the
  driver makes them; observations_over_sql: the same for a hundred thousand observations.
last_100_ratio: the newest 100 observations of a device, relative to 100 rows by primary key, decoded in the same way.
bytes_per_row: the file with all its indexes except that of the comparison.
"""

import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from parts.measure import Metrics, benchmark_parser, median_ms, print_metrics
from rich.console import Console
from rich.progress import track
from sqlalchemy import Engine, event, text

from mien.broker.database.engine import open_for_reading, open_for_writing, read_transaction
from mien.broker.database.schema import observation
from mien.broker.ingest.message import IncomingMessage
from mien.broker.ingest.store import Store
from mien.broker.query import EmotionLog
from mien.broker.query.aggregate import HOUR_MS, _count_rollup
from mien.broker.query.filters import Filter
from mien.broker.query.observations import select_observations, to_observation_rows
from mien.broker.query.resolved_filter import resolve_filter
from mien.emotions import EMOTIONS
from mien.messages.observation import Observation, Scores

DEVICES = tuple(f"device-{number:02}" for number in range(20))
DAYS = 30
START = datetime(2026, 10, 1, tzinfo=UTC)
END = START + timedelta(days=DAYS + 1)
BATCH = 1000
LISTED = 100_000
GROUPS = ["hour", "emotion", "device"]
COUNT_FROM_INDEX = """SELECT at_ms / 3600000 AS hour, emotion, device, count(*)
FROM observation INDEXED BY comparison WHERE at_ms >= :start AND at_ms < :end {device} GROUP BY device, emotion, hour"""
NEWEST_KEYS = """SELECT observation.key FROM observation JOIN device ON device.key = observation.device
WHERE device.name = :name ORDER BY at_ms DESC LIMIT 100"""


def make_observations(rows: int) -> Iterator[Observation]:
    """A visit to every device in each quarter of an hour, with one row per second, in chronological order."""
    chance = random.Random(1)
    outboxes = [UUID(int=chance.getrandbits(128), version=4) for _ in DEVICES]
    visits = DAYS * 96
    visit_s = rows // (visits * len(DEVICES)) + 1
    visit_interval = timedelta(days=DAYS) / visits
    count = 0
    for visit in range(visits):
        moods = [chance.choice(EMOTIONS) for _ in DEVICES]
        captures = [_uuid7(START + visit * visit_interval, chance) for _ in DEVICES]
        for second in range(visit_s):
            at = START + visit * visit_interval + timedelta(seconds=second)
            at = at.replace(microsecond=at.microsecond // 1000 * 1000)
            for number, device in enumerate(DEVICES):
                if count == rows:
                    return
                count += 1
                emotion = moods[number] if chance.random() < 0.8 else chance.choice(EMOTIONS)
                confidence = round(chance.uniform(0.4, 0.95), 4)
                other_scores = round((1 - confidence) / 6, 4)
                yield Observation(
                    id=_uuid7(at, chance),
                    device=device,
                    outbox=outboxes[number],
                    seq=visit * visit_s + second + 1,
                    capture=captures[number],
                    track=1,
                    at=at,
                    clock="synced",
                    emotion=emotion,
                    confidence=confidence,
                    scores=Scores(**(dict.fromkeys(EMOTIONS, other_scores) | {emotion: confidence})),
                    frames=9,
                    box=(0.25, 0.25, 0.5, 0.5),
                    model="0123456789ab",
                    latency_ms=40,
                    agent="0.1.0",
                )


def _uuid7(at: datetime, chance: random.Random) -> UUID:
    """A version 7 UUID (RFC 9562, section 5.7)."""
    return UUID(int=(round(at.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | chance.getrandbits(62))


def make_log(path: Path, rows: int) -> Engine:
    """Write a log as the collector does, and open it for reading."""
    engine = open_for_writing(path)
    store = Store(engine)
    batch: list[IncomingMessage] = []
    stderr = Console(stderr=True)
    title = f"making {rows} rows"
    for sample in track(make_observations(rows), title, total=rows, console=stderr, disable=not stderr.is_terminal):
        received_ms = round(sample.at.timestamp() * 1000) + 500
        batch.append(
            IncomingMessage(
                topic="", payload=b"", received_ms=received_ms, device=sample.device, envelope=sample, body=sample
            )
        )
        if len(batch) == BATCH:
            store.record(batch)
            batch = []
    if batch:
        store.record(batch)
    engine.dispose()  # the last connection merges the write-ahead log into the file
    return open_for_reading(path)


def create_comparison_index(path: Path) -> None:
    """Create the index that `count_from_index` uses."""
    engine = open_for_writing(path)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE INDEX comparison ON observation (device, at_ms, emotion)")
    engine.dispose()


def count_from_index(engine: Engine, device: str | None = None) -> int:
    """Count by hour, emotion and device in SQL over the rows, with the comparison's index; the sum of the counts."""
    parameters = {"start": START.timestamp() * 1000, "end": END.timestamp() * 1000, "name": device}
    condition = "AND device = (SELECT key FROM device WHERE name = :name)" if device else ""
    with read_transaction(engine) as connection:
        counts = connection.execute(text(COUNT_FROM_INDEX.format(device=condition)), parameters).all()
    return sum({(hour, emotion, key): count for hour, emotion, key, count in counts}.values())


def count_from_rollup(engine: Engine, *devices: str) -> int:
    """The same by the product's own statement on its rollup."""
    log_filter = Filter(start=START, end=END, devices=devices)
    with read_transaction(engine) as connection:
        resolved = resolve_filter(connection, log_filter)
        cells = _count_rollup(connection, resolved, GROUPS, HOUR_MS, log_filter.start_ms, log_filter.end_ms)
        return sum(map(int, cells.observations))


def count_by_query(log: EmotionLog, *devices: str) -> int:
    """The same by the product's complete query."""
    return sum(row.observations for row in log.counts(GROUPS, start=START, end=END, devices=devices))


def fetch_rows(engine: Engine, call: Callable[[], object]) -> Callable[[], object]:
    """The SQL that a call runs on a log, without what the product does with the rows."""
    statements: list[tuple[str, Any]] = []

    def record(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", record)
    call()
    event.remove(engine, "before_cursor_execute", record)
    queries = [(statement, parameters) for statement, parameters in statements if statement.startswith("SELECT")]

    def fetch() -> list[object]:
        with read_transaction(engine) as connection:
            cursor = connection.connection.cursor()
            return [cursor.execute(statement, parameters) and cursor.fetchall() for statement, parameters in queries]

    return fetch


def list_by_keys(engine: Engine, keys: list[int]) -> int:
    """Observations by their primary keys, decoded as the product does; their number."""
    with read_transaction(engine) as connection:
        rows = connection.execute(select_observations().where(observation.c.key.in_(keys)))
        return len(to_observation_rows(rows.all(), UTC))


def check_equal(*counts: int) -> None:
    """Exit with an error if the sides of a comparison have counted differently."""
    if len(set(counts)) > 1:
        sys.exit(f"the counts differ: {', '.join(map(str, counts))}")


def median_of_rounds(calls: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median durations in milliseconds; the calls take turns, so that a slow moment affects all of them."""
    rounds = [[median_ms(call, repeats=1) for call in calls] for _ in range(repeats)]
    return [sorted(times_ms)[repeats // 2] for times_ms in zip(*rounds, strict=True)]


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small = make_log(Path(folder) / "small.db", options.rows // 10)
        path = Path(folder) / "large.db"
        large = make_log(path, options.rows)
        bytes_per_row = path.stat().st_size / options.rows
        create_comparison_index(path)
        log = EmotionLog(path, zone="UTC")
        device = DEVICES[7]
        check_equal(count_from_index(large), count_from_rollup(large), count_by_query(log))
        check_equal(count_from_index(large, device), count_from_rollup(large, device), count_by_query(log, device))
        index_ms, rollup_ms, query_ms, small_ms = median_of_rounds(
            [
                lambda: count_from_index(large),
                lambda: count_from_rollup(large),
                lambda: count_by_query(log),
                lambda: count_from_rollup(small),
            ],
            options.repeats,
        )
        index_device_ms, rollup_device_ms = median_of_rounds(
            [lambda: count_from_index(large, device), lambda: count_from_rollup(large, device)], 3 * options.repeats
        )
        log_engine = log._engine
        listed = min(LISTED, options.rows)
        sql_ms, answer_ms, list_sql_ms, list_ms = median_of_rounds(
            [
                fetch_rows(log_engine, lambda: count_by_query(log)),
                lambda: log.counts(GROUPS, start=START, end=END),
                fetch_rows(log_engine, lambda: log.observations(limit=listed)),
                lambda: log.observations(limit=listed),
            ],
            options.repeats,
        )
        with read_transaction(large) as connection:
            keys = list(connection.execute(text(NEWEST_KEYS), {"name": device}).scalars())
        last_ms, keys_ms = median_of_rounds(
            [
                lambda: log.observations(limit=100, devices=[device]),
                lambda: list_by_keys(large, keys),
            ],
            10 * options.repeats,
        )
    metrics: Metrics = {
        "index_ms": index_ms,
        "rollup_ms": rollup_ms,
        "query_ms": query_ms,
        "rollup_speedup": index_ms / rollup_ms,
        "rollup_speedup_device": index_device_ms / rollup_device_ms,
        "query_speedup": index_ms / query_ms,
        "growth_10x": rollup_ms / small_ms,
        "answer_over_sql": answer_ms / sql_ms,
        "observations_over_sql": list_ms / list_sql_ms,
        "last_100_ms": last_ms,
        "last_100_ratio": last_ms / keys_ms,
        "bytes_per_row": bytes_per_row,
    }
    print_metrics(f"queries of {options.rows} rows", metrics, as_json=options.json)


if __name__ == "__main__":
    main()
