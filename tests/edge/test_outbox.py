"""What an outbox promises."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
from outboxes import MOMENT, Machine, append, build

from mien.edge.outbox import Outbox
from mien.observation import Observation, decode_observation


def test_unacknowledged_observations_survive_a_restart(open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox() as outbox:
        kept = [outbox.append(build(), MOMENT) for _ in range(3)]
    with open_outbox() as outbox:
        assert [decode_observation(payload) for _, payload in outbox.ready(10)] == kept


def test_numbers_are_gap_free_and_never_used_twice(open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox() as outbox:
        assert [outbox.append(build(), MOMENT).seq for _ in range(3)] == [1, 2, 3]
        outbox.stored([1, 2, 3])
    with open_outbox() as outbox:
        assert outbox.append(build(), MOMENT).seq == 4


def test_an_observation_that_cannot_be_made_takes_no_number(open_outbox: Callable[..., Outbox]) -> None:
    def fail(outbox: UUID, seq: int) -> Observation:
        raise ValueError

    with open_outbox() as outbox:
        with pytest.raises(ValueError):  # noqa: PT011 (it is the test's own)
            outbox.append(fail, MOMENT)
        assert outbox.append(build(), MOMENT).seq == 1


def test_only_stored_rows_are_deleted_and_refused_ones_kept_back(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with open_outbox() as outbox:
        append(outbox, 4)
        outbox.stored([1, 3])
        outbox.refused([(2, "no such emotion")])
        assert [seq for seq, _ in outbox.ready(10)] == [4]
        assert outbox.depth() == 1
    with sqlite3.connect(tmp_path / "outbox.db") as database:
        rows = database.execute("SELECT seq, refused FROM observation ORDER BY seq").fetchall()
    assert rows == [(2, "no such emotion"), (4, None)]


def test_a_file_copied_to_another_machine_counts_under_a_new_name(
    tmp_path: Path, machine: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with open_outbox() as outbox:
        first = outbox.append(build(), MOMENT)
        name = outbox.id
        outbox.append(build(), MOMENT)
        outbox._file._database.execute("UPDATE observation SET payload = x'00ff' WHERE seq = 2")
        outbox.refused([(2, "damaged")])
    machine.write_text("bbbb\n")
    with open_outbox() as outbox:
        assert outbox.id != name
        ((seq, payload),) = outbox.ready(10)
        renamed = decode_observation(payload)
        assert (renamed.id, renamed.seq, renamed.outbox) == (first.id, seq, outbox.id)
        assert outbox.append(build(), MOMENT).seq == 3
        health = outbox.health(Machine(tmp_path).clock())
        assert (health.continues, health.first_seq, health.next_seq) == (name, 1, 4)


def test_the_disk_has_every_commit(open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox() as outbox:
        assert outbox._file._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert outbox._file._database.execute("PRAGMA synchronous").fetchone() == (2,)


def test_health_says_which_numbers_a_collector_should_have(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    clock = Machine(tmp_path).clock()
    with open_outbox() as outbox:
        assert (outbox.health(clock).first_seq, outbox.health(clock).oldest_seq) == (1, 1)
        append(outbox, 5)
        outbox.stored([1, 3])
        outbox.refused([(2, "no such emotion")])
        health = outbox.health(clock)
        assert (health.id, health.oldest_seq, health.next_seq) == (outbox.id, 4, 6)
        assert (health.waiting, health.refused, health.oldest_age_s) == (2, 1, 9.0)
        outbox.stored([4, 5])
        assert outbox.health(clock).oldest_seq == 6


def test_an_outbox_of_the_first_release_goes_on(
    tmp_path: Path, machine: Path, open_outbox: Callable[..., Outbox]
) -> None:
    name, payload = "0b6f3a52-4d7f-4a8e-9d5c-6a3d1c2b4e5f", b"{}"
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as first, first:
        first.executescript(
            "CREATE TABLE counter (one INTEGER PRIMARY KEY CHECK (one = 1), outbox TEXT NOT NULL, "
            "machine TEXT NOT NULL, next_seq INTEGER NOT NULL) STRICT;"
            "CREATE TABLE observation (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL, refused TEXT) STRICT;"
            "CREATE INDEX unanswered ON observation (seq) WHERE refused IS NULL;"
        )
        first.execute("INSERT INTO counter VALUES (1, ?, 'aaaa', 8)", (name,))
        first.execute("INSERT INTO observation VALUES (7, ?, NULL)", (payload,))
    with open_outbox() as outbox:
        assert str(outbox.id) == name
        assert outbox.ready(10) == [(7, payload)]
        assert outbox.append(build(), MOMENT).seq == 8
