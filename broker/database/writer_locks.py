"""Which writing transactions may run at the same time: on PostgreSQL all that concern different devices.

A transaction is *alone* by default, as in SQLite: what it has read is still true when it writes. Those of the engine of
`side_by_side` run beside each other. Each has to lock the devices whose rows, counts and numbers it changes, before it
reads or writes anything of them; it may add names, but delete none.

What they share is names that several devices use for the first time at once, and ids that two devices claim. These are
inserted table by table, in the order of `ingest.store.commit`, and sorted within each: so no two wait for each other.

Keys are not assigned in the order of commits: who continues after a key reads up to `settled_key`.
"""

from collections.abc import Collection
from zlib import crc32

from sqlalchemy import Connection, Engine, func, select

from mien.device_name import is_device_name

from .schema import observation

WRITER_LOCK = 0x6D69656E
"""`mien` in ASCII: exclusive for a transaction that is alone, else shared."""
DEVICE_LOCKS = WRITER_LOCK
"""The first of the two numbers that lock devices, which PostgreSQL keeps apart from single numbers."""
KEY_LOCKS = 0x6D69
"""The upper 16 bits of the locks by which transactions show the key after which their own keys come."""
LOCK_COUNT = 2048
"""Devices share this many locks, because PostgreSQL by default has room for 6,400 locks of all connections together."""
MODE = "mien_writer"
"""The option of an engine that says how its transactions run beside others."""

ALONE = "SELECT pg_advisory_xact_lock(%s)"
SIDE_BY_SIDE = """SELECT pg_advisory_xact_lock_shared(%s),
pg_advisory_xact_lock_shared((%s::bigint << 48) | (SELECT coalesce(max(key), 0) FROM observation))"""
WAIT_FOR_DEVICES = "SELECT pg_advisory_xact_lock(%s, number) FROM unnest(%s::int[]) AS number"
TRY_DEVICES = "SELECT number FROM unnest(%s::int[]) AS number WHERE pg_try_advisory_xact_lock(%s, number)"
OLDEST_KEY_LOCK = """SELECT min(((classid::bigint & 65535) << 32) | objid::bigint) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid::bigint >> 16 = %s
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


def side_by_side(engine: Engine) -> Engine:
    """The same connections, for transactions that run beside others of this kind."""
    return engine.execution_options(**{MODE: "side by side"})


def unlocked(engine: Engine) -> Engine:
    """The same connections, for transactions that only read."""
    return engine.execution_options(**{MODE: "unlocked"})


def begin_writing(connection: Connection) -> None:
    """Wait until a transaction on PostgreSQL may write: it has just begun."""
    mode = connection.get_execution_options().get(MODE)
    if mode is None:
        connection.exec_driver_sql(ALONE, (WRITER_LOCK,))
    elif mode == "side by side":
        connection.exec_driver_sql(SIDE_BY_SIDE, (WRITER_LOCK, KEY_LOCKS))


def lock_devices(
    connection: Connection, names: Collection[str], *, urgent: Collection[str] | None = None
) -> Collection[str]:
    """Lock devices until the transaction ends, and wait for those that are urgent, by default all; call it once.

    Returns those that are locked: of the others those that no transaction beside this one has locked, which costs no
    waiting. If that is none, it waits for all.
    """
    if connection.dialect.name == "sqlite":
        return names
    numbers = {name: _lock_number(name) for name in names}
    awaited = sorted({number for name, number in numbers.items() if urgent is None or name in urgent})
    # It waits only while it has none of these locks, or in their order: so there is no deadlock.
    if awaited:
        connection.exec_driver_sql(WAIT_FOR_DEVICES, (DEVICE_LOCKS, awaited))
    locked = set(awaited)
    if others := sorted(set(numbers.values()) - locked):
        locked.update(connection.exec_driver_sql(TRY_DEVICES, (others, DEVICE_LOCKS)).scalars())
        if not locked:
            connection.exec_driver_sql(WAIT_FOR_DEVICES, (DEVICE_LOCKS, others))
            locked.update(others)
    return {name for name, number in numbers.items() if number in locked}


def settled_key(connection: Connection) -> int:
    """The key of an observation after which alone rows may still appear; 0 if there is none.

    A transaction that is begun after this sees all rows up to it. Begin one: the rows that `connection` sees are older.
    """
    newest = connection.scalar(select(func.max(observation.c.key))) or 0
    if connection.dialect.name == "sqlite":
        return newest
    # Read after `newest`: whoever was assigned a smaller key has committed by then, or still has its lock.
    oldest = connection.exec_driver_sql(OLDEST_KEY_LOCK, (KEY_LOCKS,)).scalar()
    return newest if oldest is None else min(newest, oldest)


def _lock_number(name: str) -> int:
    """Names that are no device's have one lock, as they have one row of limits."""
    return crc32(name.encode()) % LOCK_COUNT if is_device_name(name) else LOCK_COUNT
