"""An outbox of an older release is upgraded in place; one of a newer release stays as it is."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from outboxes import TIMESTAMP
from samples import make_draft, make_observation

from mien.edge.delivery.outbox import Outbox
from mien.edge.delivery.outbox_schema import SCHEMA_VERSION, check_version
from mien.errors import DatabaseError
from mien.messages.observation import Observation, decode_observation, encode_observation

VERSION_1 = """
CREATE TABLE outbox (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1), id TEXT NOT NULL, machine_id TEXT NOT NULL, previous_id TEXT,
    first_seq INTEGER NOT NULL, next_seq INTEGER NOT NULL, row_count INTEGER NOT NULL, payload_bytes INTEGER NOT NULL
) STRICT;
CREATE TABLE message (
    seq INTEGER PRIMARY KEY, payload BLOB NOT NULL, is_final INTEGER NOT NULL, boot_id TEXT NOT NULL,
    uptime_ms INTEGER NOT NULL, dropped_first INTEGER, dropped_last INTEGER, reject_reason TEXT
) STRICT;
CREATE INDEX unacknowledged ON message (seq) WHERE reject_reason IS NULL;
CREATE INDEX not_final ON message (seq) WHERE is_final = 0;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
"""
"""The schema of the release before."""
OUTBOX_ID = uuid4()


def create_version_1(folder: Path, seqs: range = range(8, 11)) -> list[Observation]:
    """An outbox of "hallway" as the release before left it: a damaged row, then observations that wait."""
    observations = [make_observation(OUTBOX_ID, seq) for seq in seqs]
    rows = [(7, b"\0\xff"), *((row.seq, encode_observation(row)) for row in observations)]
    with closing(sqlite3.connect(folder / "outbox.db")) as database, database:
        database.executescript(VERSION_1)
        database.execute(
            "INSERT INTO outbox VALUES (1, ?, 'aaaa', NULL, 1, 11, ?, ?)",
            (str(OUTBOX_ID), len(rows), sum(len(payload) for _, payload in rows)),
        )
        database.executemany("INSERT INTO message VALUES (?, ?, 1, 'boot-1', 1000, NULL, NULL, NULL)", rows)
    return observations


def read_version(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "outbox.db")) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


def test_the_rows_and_the_id_survive_the_upgrade(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    observations = create_version_1(tmp_path)
    for _ in range(2):
        with open_outbox() as outbox:
            assert outbox.id == OUTBOX_ID
            assert [decode_observation(payload) for _, payload in outbox.read_publishable(10)[1:]] == observations
    assert read_version(tmp_path) == SCHEMA_VERSION
    with open_outbox() as outbox:
        assert outbox.append(make_draft(), TIMESTAMP).seq == 11


def test_a_device_that_is_renamed_with_the_upgrade_loses_no_row(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    observations = create_version_1(tmp_path)
    with open_outbox(device="attic") as outbox:
        assert outbox.id != OUTBOX_ID
        rows = [decode_observation(payload) for _, payload in outbox.read_publishable(10)[1:]]
    assert [(row.id, row.device, row.outbox) for row in rows] == [
        (observation.id, "attic", outbox.id) for observation in observations
    ]


def test_an_empty_outbox_of_the_release_before_keeps_its_id(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    create_version_1(tmp_path, range(0))
    for _ in range(2):
        with open_outbox() as outbox:
            assert outbox.id == OUTBOX_ID
    with open_outbox(device="attic") as outbox:
        assert outbox.id != OUTBOX_ID


def test_a_program_that_only_reads_accepts_a_file_that_has_not_been_upgraded_yet(tmp_path: Path) -> None:
    create_version_1(tmp_path)
    with closing(sqlite3.connect(f"file:{tmp_path / 'outbox.db'}?mode=ro", uri=True)) as database:
        check_version(database, tmp_path / "outbox.db")
    assert read_version(tmp_path) == 1


def test_an_upgrade_that_fails_leaves_the_file_to_the_release_before(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    create_version_1(tmp_path)
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as database, database:
        database.execute("CREATE INDEX declared_loss ON message (uptime_ms)")
    with pytest.raises(DatabaseError, match="index declared_loss already exists"):
        open_outbox()
    assert read_version(tmp_path) == 1
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as database:
        assert database.execute("SELECT count(*) FROM message").fetchone() == (4,)
        assert len(database.execute("SELECT * FROM outbox").fetchone()) == 8


def test_the_upgraded_tables_have_the_columns_of_new_ones(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    def read_columns() -> list[list[str]]:
        with open_outbox() as outbox, outbox._file.connection() as database:
            return [
                [name for _, name, *_ in database.execute(f"PRAGMA {query}").fetchall()]
                for query in ("table_info(outbox)", "table_info(message)", "index_list(message)")
            ]

    create_version_1(tmp_path)
    upgraded = read_columns()
    for file in tmp_path.glob("outbox.db*"):
        file.unlink()
    assert [sorted(names) for names in read_columns()] == [sorted(names) for names in upgraded]


def test_a_file_of_another_release_is_an_error_and_stays_unchanged(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as database, database:
        database.execute("CREATE TABLE observation (seq INTEGER PRIMARY KEY)")
    for version in (0, SCHEMA_VERSION + 1):
        with closing(sqlite3.connect(tmp_path / "outbox.db")) as database, database:
            database.execute(f"PRAGMA user_version = {version}")
        with pytest.raises(
            DatabaseError, match=rf"outbox.db was made by another release of mien \(its schema version is {version},"
        ):
            open_outbox()
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as database:
        assert database.execute("SELECT name FROM sqlite_schema").fetchall() == [("observation",)]
