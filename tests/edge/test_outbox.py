import sqlite3
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from samples import make_observation

from mien.edge.outbox import Outbox
from mien.errors import DatabaseError
from mien.observation import Observation, decode_observation


def build(**changes: object) -> Callable[[UUID, int], Observation]:
    return lambda outbox, seq: make_observation(outbox, seq, **changes)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    file = tmp_path / "machine-id"
    file.write_text("aaaa\n")
    return file


def test_unacknowledged_observations_survive_a_restart(tmp_path: Path, machine: Path) -> None:
    with Outbox(tmp_path / "outbox.db", machine_id=machine) as outbox:
        kept = [outbox.append(build()) for _ in range(3)]
    with Outbox(tmp_path / "outbox.db", machine_id=machine) as outbox:
        assert [decode_observation(payload) for _, payload in outbox.unanswered(10)] == kept


def test_numbers_are_gap_free_and_never_used_twice(tmp_path: Path, machine: Path) -> None:
    with Outbox(tmp_path / "outbox.db", machine_id=machine) as outbox:
        assert [outbox.append(build()).seq for _ in range(3)] == [1, 2, 3]
        outbox.stored([1, 2, 3])
    with Outbox(tmp_path / "outbox.db", machine_id=machine) as outbox:
        assert outbox.append(build()).seq == 4


def test_an_observation_that_cannot_be_made_takes_no_number(tmp_path: Path, machine: Path) -> None:
    def fail(outbox: UUID, seq: int) -> Observation:
        raise ValueError

    with Outbox(tmp_path / "outbox.db", machine_id=machine) as outbox:
        with pytest.raises(ValueError):  # noqa: PT011 (it is the test's own)
            outbox.append(fail)
        assert outbox.append(build()).seq == 1


def test_only_stored_rows_are_deleted_and_refused_ones_kept_back(tmp_path: Path, machine: Path) -> None:
    with Outbox(tmp_path / "outbox.db", machine_id=machine) as outbox:
        for _ in range(4):
            outbox.append(build())
        outbox.stored([1, 3])
        outbox.refused([(2, "no such emotion")])
        assert [seq for seq, _ in outbox.unanswered(10)] == [4]
        assert outbox.depth() == 1
    with sqlite3.connect(tmp_path / "outbox.db") as database:
        rows = database.execute("SELECT seq, refused FROM observation ORDER BY seq").fetchall()
    assert rows == [(2, "no such emotion"), (4, None)]


def test_a_file_copied_to_another_machine_counts_under_a_new_name(tmp_path: Path, machine: Path) -> None:
    with Outbox(tmp_path / "outbox.db", machine_id=machine) as outbox:
        first = outbox.append(build())
        name = outbox.id
        outbox.append(build())
        outbox._database.execute("UPDATE observation SET payload = x'00ff' WHERE seq = 2")
        outbox.refused([(2, "damaged")])
    machine.write_text("bbbb\n")
    with Outbox(tmp_path / "outbox.db", machine_id=machine) as outbox:
        assert outbox.id != name
        ((seq, payload),) = outbox.unanswered(10)
        renamed = decode_observation(payload)
        assert (renamed.id, renamed.seq, renamed.outbox) == (first.id, seq, outbox.id)
        assert outbox.append(build()).seq == 3


def test_the_disk_has_every_commit(tmp_path: Path, machine: Path) -> None:
    with Outbox(tmp_path / "outbox.db", machine_id=machine) as outbox:
        assert outbox._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert outbox._database.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_file_that_is_no_database_is_refused_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_text("this is not SQLite, it only stands in its place" * 20)
    with pytest.raises(DatabaseError, match=r"outbox.db cannot be opened \(file is not a database\)"):
        Outbox(tmp_path / "outbox.db")
