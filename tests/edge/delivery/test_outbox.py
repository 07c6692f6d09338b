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


def test_all_answers_are_applied_in_one_transaction(open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox() as outbox:
        append_observations(outbox, 6)
        with outbox._file.connection() as database:
            database.execute(
                "CREATE TRIGGER broken BEFORE UPDATE OF reject_reason ON message BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        answers = {"stored": [1, 2, 7], "erased": [3], "rejected": [(4, "no such emotion")]}
        with pytest.raises(DatabaseError, match="no"):
            outbox.apply_acknowledgement(**answers)  # type: ignore[arg-type]
        assert outbox.count_waiting() == 6
        with outbox._file.connection() as database:
            database.execute("DROP TRIGGER broken")
        outbox.apply_acknowledgement(**answers)  # type: ignore[arg-type]
        assert [seq for seq, _ in outbox.read_publishable(10)] == [5, 6]
        assert [seq for seq, _ in outbox.read_publishable(10, after_seq=5)] == [6]
        assert [seq for seq, _ in outbox.read_unacknowledged([6, 4, 5, 3, 99])] == [5, 6]
        with outbox._file.connection() as database:
            (totals,) = database.execute("SELECT row_count, payload_bytes FROM outbox").fetchall()
            assert totals == database.execute("SELECT count(*), sum(length(payload)) FROM message").fetchone()


def test_an_erased_row_leaves_the_disk_even_if_another_program_reads_the_file_meanwhile(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    files = [tmp_path / "outbox.db", tmp_path / "outbox.db-wal"]
    with open_outbox() as outbox:
        identifier = str(outbox.append(make_draft(), TIMESTAMP).id).encode()
        append_observations(outbox, 2)
        with outbox._file.connection() as database:
            database.execute("PRAGMA busy_timeout = 50")
        with closing(sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM message").fetchone()
            outbox.apply_acknowledgement(erased=[1])
        outbox.delete_stored([2])
        assert [identifier in file.read_bytes() for file in files] == [False, False]
        assert outbox.count_waiting() == 1


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
