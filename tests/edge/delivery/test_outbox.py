"""The outbox keeps every observation, under a number that is never reused, until a collector has acknowledged it."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from outboxes import TIMESTAMP, SimulatedMachine, append_observations
from samples import make_draft

from mien.edge.delivery.outbox import Outbox
from mien.errors import DatabaseError
from mien.messages.observation import decode_observation


def test_unacknowledged_observations_survive_a_restart(open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox() as outbox:
        observations = [outbox.append(make_draft(), TIMESTAMP) for _ in range(3)]
    with open_outbox() as outbox:
        assert [decode_observation(payload) for _, payload in outbox.read_publishable(10)] == observations


def test_numbers_are_gap_free_and_never_reused(open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox() as outbox:
        assert [outbox.append(make_draft(), TIMESTAMP).seq for _ in range(3)] == [1, 2, 3]
        outbox.delete_stored([1, 2, 3])
    with open_outbox() as outbox:
        assert outbox.append(make_draft(), TIMESTAMP).seq == 4


def test_an_observation_that_cannot_be_built_uses_no_number(open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox() as outbox:
        with pytest.raises(ValueError, match="emotion sad does not have the highest score"):
            outbox.append(make_draft(emotion="sad"), TIMESTAMP)
        assert outbox.append(make_draft(), TIMESTAMP).seq == 1


def test_only_stored_rows_are_deleted_and_rejected_rows_are_not_sent_again(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with open_outbox() as outbox:
        append_observations(outbox, 4)
        outbox.delete_stored([1, 3])
        outbox.mark_rejected([(2, "no such emotion")])
        assert [seq for seq, _ in outbox.read_publishable(10)] == [4]
        assert outbox.count_waiting() == 1
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as database:
        rows = database.execute("SELECT seq, reject_reason FROM message ORDER BY seq").fetchall()
    assert rows == [(2, "no such emotion"), (4, None)]


def test_a_file_copied_to_another_machine_continues_under_a_new_id(
    tmp_path: Path, machine_id_file: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with open_outbox() as outbox:
        first = outbox.append(make_draft(), TIMESTAMP)
        previous_id = outbox.id
        outbox.append(make_draft(), TIMESTAMP)
        with outbox._file.connection() as database:
            database.execute("UPDATE message SET payload = x'00ff' WHERE seq = 2")
        outbox.mark_rejected([(2, "damaged")])
    machine_id_file.write_text("bbbb\n")
    with open_outbox() as outbox:
        assert outbox.id != previous_id
        ((seq, payload),) = outbox.read_publishable(10)
        renamed = decode_observation(payload)
        assert (renamed.id, renamed.seq, renamed.outbox) == (first.id, seq, outbox.id)
        assert outbox.append(make_draft(), TIMESTAMP).seq == 3
        health = outbox.health(SimulatedMachine(tmp_path).clock())
        assert (health.previous_outbox, health.first_seq, health.next_seq) == (previous_id, 1, 4)


def test_a_commit_is_on_disk(open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox() as outbox, outbox._file.connection() as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.execute("PRAGMA synchronous").fetchone() == (2,)


def test_health_reports_which_numbers_a_collector_should_have(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    clock = SimulatedMachine(tmp_path).clock()
    with open_outbox() as outbox:
        assert (outbox.health(clock).first_seq, outbox.health(clock).oldest_seq) == (1, 1)
        append_observations(outbox, 5)
        outbox.delete_stored([1, 3])
        outbox.mark_rejected([(2, "no such emotion")])
        health = outbox.health(clock)
        assert (health.id, health.oldest_seq, health.next_seq) == (outbox.id, 4, 6)
        assert (health.waiting, health.rejected, health.oldest_age_s) == (2, 1, 9.0)
        outbox.delete_stored([4, 5])
        assert outbox.health(clock).oldest_seq == 6


def test_a_file_of_another_release_is_an_error_and_stays_unchanged(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as database, database:
        database.execute("CREATE TABLE observation (seq INTEGER PRIMARY KEY)")
    for version in (0, 2):
        with closing(sqlite3.connect(tmp_path / "outbox.db")) as database, database:
            database.execute(f"PRAGMA user_version = {version}")
        with pytest.raises(
            DatabaseError, match=rf"outbox.db was made by another release of mien \(its schema version is {version},"
        ):
            open_outbox()
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as database:
        assert database.execute("SELECT name FROM sqlite_schema").fetchall() == [("observation",)]
