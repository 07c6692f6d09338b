"""The schema of an outbox file, and the upgrade of a file that an older release made."""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from mien.errors import DatabaseError
from mien.messages.envelope import decode_envelope

SCHEMA_VERSION = 2
"""Stored in the file as SQLite's user_version."""
DECLARED_LOSS_INDEX = "CREATE INDEX declared_loss ON message (seq) WHERE dropped_last IS NOT NULL"
SCHEMA = (
    """
    CREATE TABLE outbox (                 -- one row
        singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
        id TEXT NOT NULL,                 -- identifies this outbox in every message
        machine_id TEXT NOT NULL,         -- a copied SD card must not continue under the same id
        previous_id TEXT,                 -- of the outbox that this file was on another machine
        first_seq INTEGER NOT NULL,       -- the first number assigned under this id
        next_seq INTEGER NOT NULL,        -- stored, so that no number is ever reused
        row_count INTEGER NOT NULL,       -- of the table message
        payload_bytes INTEGER NOT NULL,   -- of the table message
        device TEXT NOT NULL              -- numbers belong to a device: a renamed one must not continue them
    ) STRICT
    """,
    """
    CREATE TABLE message (
        seq INTEGER PRIMARY KEY,
        payload BLOB NOT NULL,            -- an observation or a declared loss
        is_final INTEGER NOT NULL,        -- 0: not published yet, so it may still change
        boot_id TEXT NOT NULL,            -- when it was created, by the machine's uptime
        uptime_ms INTEGER NOT NULL,
        dropped_first INTEGER,            -- the range that a declared loss covers
        dropped_last INTEGER,
        reject_reason TEXT                -- why a collector can never store it; such a row is not sent again
    ) STRICT
    """,
    "CREATE INDEX unacknowledged ON message (seq) WHERE reject_reason IS NULL",
    "CREATE INDEX not_final ON message (seq) WHERE is_final = 0",
    DECLARED_LOSS_INDEX,
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


def create_or_upgrade_schema(database: sqlite3.Connection, path: Path) -> None:
    """Bring a new file, or one of an older release, to this release's schema, within the caller's transaction.

    DatabaseError if a newer release or another program made the file.
    """
    if _is_empty(database):
        for statement in SCHEMA:
            database.execute(statement)
    check_version(database, path)
    for version in range(_version(database), SCHEMA_VERSION):
        _UPGRADES[version](database)
        database.execute(f"PRAGMA user_version = {version + 1}")


def check_version(database: sqlite3.Connection, path: Path) -> None:
    """Raise DatabaseError unless this release can read an outbox, upgraded if need be."""
    version = _version(database)
    if version != SCHEMA_VERSION and version not in _UPGRADES:
        raise DatabaseError(
            f"the outbox {path} was made by another release of mien (its schema version is {version}, not "
            f"{SCHEMA_VERSION}): install that release, or move the file away"
        )


def _upgrade_from_1(database: sqlite3.Connection) -> None:
    """Version 1 did not store the device: it is the one that the oldest waiting row names, or stays unknown."""
    device = ""
    for (payload,) in database.execute("SELECT payload FROM message WHERE reject_reason IS NULL ORDER BY seq"):
        with suppress(msgspec.DecodeError):  # a damaged row
            device = decode_envelope(payload).device
            break
    database.execute("ALTER TABLE outbox ADD COLUMN device TEXT NOT NULL DEFAULT ''")
    database.execute("UPDATE outbox SET device = ?", (device,))
    database.execute(DECLARED_LOSS_INDEX)


_UPGRADES: dict[int, Callable[[sqlite3.Connection], None]] = {1: _upgrade_from_1}
"""By the version from which each leads to the next."""


def _is_empty(database: sqlite3.Connection) -> bool:
    (objects,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return bool(objects == _version(database) == 0)


def _version(database: sqlite3.Connection) -> int:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return int(version)
