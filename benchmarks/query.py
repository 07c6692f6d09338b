"""What questions of the log cost: python benchmarks/query.py [--rows N] [--json].

Two logs are made, of twenty devices within thirty days, as the collector stores them: one of N rows, one of a tenth.
About a minute and 200 MB for a million rows; ten million, the default, take a quarter of an hour and 3 GB.
rollup_speedup: counts by hour, emotion and device in SQL from an index over (device, at_ms, emotion), made for it,
over the product's own statement on its rollup; rollup_speedup_device: the same for one device. answer_speedup: the
former over the product's whole answer, a hundred thousand rows in words, in order and with shares. All must give the
same counts.
growth_10x: the product's statement on the large log over the same on the small one. last_100_ratio: the newest 100
observations of a device over a look-up of 100 rows by their primary keys, with the same words made of them.
bytes_per_row: the file with all its indexes but that of the comparison.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from measure import median_ms, print_figures
from rich.progress import track
from sqlalchemy import Engine, text

from mien.broker.arrival import Arrival
from mien.broker.counting import HOUR_MS, _of_rollup, count_observations
from mien.broker.database import open_for_reading, open_for_writing, reading
from mien.broker.listing import _listed, _words, list_observations
from mien.broker.narrowing import narrow
from mien.broker.question import Question
from mien.broker.schema import observation
from mien.broker.store import Store
from mien.emotions import EMOTIONS
from mien.observation import Observation, Scores

DEVICES = tuple(f"device-{number:02}" for number in range(20))
DAYS = 30
BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
BATCH = 1000
GROUPED = """SELECT at_ms / 3600000 AS hour, emotion, device, count(*) FROM observation INDEXED BY compared
WHERE at_ms >= :begin AND at_ms < :end {device} GROUP BY device, emotion, hour"""


def observations(rows: int) -> Iterator[Observation]:
    """A visit before all devices in each quarter of an hour, as long as it takes, a row a second, in time's order."""
    chance = random.Random(1)
    outboxes = [UUID(int=chance.getrandbits(128), version=4) for _ in DEVICES]
    visits = DAYS * 96
    visit_s = rows // (visits * len(DEVICES)) + 1
    apart = timedelta(days=DAYS) / visits
    made = 0
    for visit in range(visits):
        moods = [chance.choice(EMOTIONS) for _ in DEVICES]
        captures = [_uuid7(BEGIN + visit * apart, chance) for _ in DEVICES]
        for second in range(visit_s):
            at = BEGIN + visit * apart + timedelta(seconds=second)
            at = at.replace(microsecond=at.microsecond // 1000 * 1000)
            for number, device in enumerate(DEVICES):
                if made == rows:
                    return
                made += 1
                emotion = moods[number] if chance.random() < 0.8 else chance.choice(EMOTIONS)
                confidence = round(chance.uniform(0.4, 0.95), 4)
                rest = round((1 - confidence) / 6, 4)
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
                    scores=Scores(**(dict.fromkeys(EMOTIONS, rest) | {emotion: confidence})),
                    frames=9,
                    box=(0.25, 0.25, 0.5, 0.5),
                    model="0123456789ab",
                    latency_ms=40,
                    agent="0.1.0",
                )


def _uuid7(at: datetime, chance: random.Random) -> UUID:
    """RFC 9562, section 5.7."""
    return UUID(int=(round(at.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | chance.getrandbits(62))


def make_log(path: Path, rows: int) -> Engine:
    """A log as the collector writes it, for reading."""
    engine = open_for_writing(path)
    store, batch = Store(engine), []
    for seen in track(observations(rows), f"making {rows} rows", total=rows, disable=not sys.stderr.isatty()):
        received_ms = round(seen.at.timestamp() * 1000) + 500
        batch.append(
            Arrival(topic="", payload=b"", received_ms=received_ms, device=seen.device, envelope=seen, body=seen)
        )
        if len(batch) == BATCH:
            store.record(batch)
            batch = []
    if batch:
        store.record(batch)
    engine.dispose()  # the last connection brings the write-ahead log into the file
    return open_for_reading(path)


def compared(path: Path) -> None:
    """Make the index that the rows are counted by."""
    engine = open_for_writing(path)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE INDEX compared ON observation (device, at_ms, emotion)")
    engine.dispose()


def from_rows(engine: Engine, device: str | None = None) -> dict[tuple[int, int, int], int]:
    """Counts by hour, emotion and device in SQL over the rows, by that index."""
    end = BEGIN + timedelta(days=DAYS + 1)
    given = {"begin": BEGIN.timestamp() * 1000, "end": end.timestamp() * 1000, "name": device}
    where = "AND device = (SELECT key FROM device WHERE name = :name)" if device else ""
    with reading(engine) as connection:
        found = connection.execute(text(GROUPED.format(device=where)), given).all()
    return {(hour, emotion, key): count for hour, emotion, key, count in found}


def from_rollup(engine: Engine, *devices: str) -> int:
    """The same in the product's own statement on its rollup; how many were counted."""
    question = Question(begin=BEGIN, end=BEGIN + timedelta(days=DAYS + 1), devices=devices)
    with reading(engine) as connection:
        narrowed = narrow(connection, question)
        by = ["hour", "emotion", "device"]
        cells = _of_rollup(connection, narrowed, by, HOUR_MS, question.begin_ms, question.end_ms)
        return sum(cell.observations for cell in cells)


def from_log(engine: Engine, *devices: str) -> int:
    """The same as the product answers it; how many were counted."""
    question = Question(begin=BEGIN, end=BEGIN + timedelta(days=DAYS + 1), devices=devices)
    rows = count_observations(engine, question, by=["hour", "emotion", "device"], zone=UTC).rows
    return sum(row["observations"] for row in rows)


def by_keys(engine: Engine, keys: list[int]) -> list[dict[str, Any]]:
    """Observations by their keys, in the product's words."""
    with reading(engine) as connection:
        return [_words(row, UTC) for row in connection.execute(_listed().where(observation.c.key.in_(keys)))]


def same(mine: list[int], theirs: dict[tuple[int, int, int], int]) -> None:
    """All sides must have counted the same."""
    if {*mine} != {sum(theirs.values())}:
        sys.exit(f"the counts differ: {mine} and {sum(theirs.values())}")


def alternating(sides: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median times in milliseconds, the sides by turns, so that a slow moment meets them all."""
    times = [[median_ms(side, repeats=1) for side in sides] for _ in range(repeats)]
    return [sorted(column)[repeats // 2] for column in zip(*times, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        small = make_log(Path(name) / "small.db", options.rows // 10)
        path = Path(name) / "large.db"
        large = make_log(path, options.rows)
        bytes_per_row = path.stat().st_size / options.rows
        compared(path)
        one = DEVICES[7]
        same([from_log(large), from_rollup(large)], from_rows(large))
        same([from_log(large, one), from_rollup(large, one)], from_rows(large, one))
        rows_ms, rollup_ms, answer_ms, small_ms = alternating(
            [
                lambda: from_rows(large),
                lambda: from_rollup(large),
                lambda: from_log(large),
                lambda: from_rollup(small),
            ],
            options.repeats,
        )
        rows_device_ms, rollup_device_ms = alternating(
            [lambda: from_rows(large, one), lambda: from_rollup(large, one)], 3 * options.repeats
        )
        with reading(large) as connection:
            newest = "SELECT key FROM observation WHERE device = 8 ORDER BY at_ms DESC LIMIT 100"
            keys = list(connection.execute(text(newest)).scalars())
        last_ms, keys_ms = alternating(
            [
                lambda: list_observations(large, Question(devices=[one]), limit=100, zone=UTC),
                lambda: by_keys(large, keys),
            ],
            10 * options.repeats,
        )
    figures = {
        "rows_ms": rows_ms,
        "rollup_ms": rollup_ms,
        "answer_ms": answer_ms,
        "rollup_speedup": rows_ms / rollup_ms,
        "rollup_speedup_device": rows_device_ms / rollup_device_ms,
        "answer_speedup": rows_ms / answer_ms,
        "growth_10x": rollup_ms / small_ms,
        "last_100_ms": last_ms,
        "last_100_ratio": last_ms / keys_ms,
        "bytes_per_row": bytes_per_row,
    }
    print_figures(f"questions of {options.rows} rows", figures, as_json=options.json)


if __name__ == "__main__":
    main()
