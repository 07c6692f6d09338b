"""The tables of the emotion log, the same in SQLite and PostgreSQL. `migrations/` creates them."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
)

from mien.emotions import EMOTIONS

from .columns import COLUMNS, LOOKUP_COLUMNS
from .columns import Column as ObservationColumn

REVISION = "1"
"""The latest revision in `migrations/versions`: the schema that this release reads and writes."""
QUARTER_HOUR_MS = 15 * 60 * 1000
"""The rollup counts by quarter of an hour: whole hours and days of every time zone consist of these."""
KEY = BigInteger().with_variant(Integer, "sqlite")
"""64 bits; SQLite generates keys only for columns declared INTEGER."""
DELETED_LOOKUPS = ("outbox", "capture")
"""The lookup tables whose names are deleted once nothing refers to them, so no foreign key does: the database would
search all observations for each deleted name. `mien db check` verifies that no name is missing."""

metadata = MetaData()


def _lookup_table(column: ObservationColumn) -> Table:
    """A table that maps a column's long, repeated values to short integer keys."""
    return Table(
        column.name,
        metadata,
        Column("key", KEY, primary_key=True),
        Column("name", column.encoding.sql_type, nullable=False, unique=True),
    )


lookup_tables = {column.name: _lookup_table(column) for column in LOOKUP_COLUMNS}
"""By the name of the column of `observation` that refers to it."""
device, outbox, capture, model = (lookup_tables[name] for name in ("device", "outbox", "capture", "model"))


def _stored_column(column: ObservationColumn) -> Column[Any]:
    """A column of the table `observation`."""
    if column.name in DELETED_LOOKUPS:
        return Column(column.stored_as, KEY, nullable=False)
    if column.is_lookup:
        return Column(column.stored_as, ForeignKey(lookup_tables[column.name].c.key), nullable=False)
    check = column.encoding.check
    checks = [CheckConstraint(f"{column.stored_as} {check}")] if check else []
    return Column(column.stored_as, column.encoding.sql_type, *checks, nullable=False, unique=column.is_unique or None)


observation = Table(
    "observation",
    metadata,
    Column("key", KEY, primary_key=True),
    *(_stored_column(column) for column in COLUMNS),
    sqlite_autoincrement=True,  # readers continue after the last key: it must not be used again once its row is erased
)
Index("observation_device_at", observation.c.device, observation.c.at_ms)
Index("observation_at", observation.c.at_ms)

rejected = Table(
    "rejected",
    metadata,
    Column("key", KEY, primary_key=True),
    # SHA-256 of the topic's device, a zero byte, and the id or, if that is unreadable, the payload's SHA-256.
    Column("identity", LargeBinary(32), nullable=False, unique=True),
    Column("id", LargeBinary(16)),
    # Of the topic; None if its name is not valid.
    Column("device", ForeignKey(device.c.key)),
    # Only of a message that its own device sent: a number of another device means nothing.
    Column("outbox", KEY),
    Column("seq", BigInteger),
    Column("topic", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    # As it arrived; None if it is too large, if its device has enough of them here, or if it was erased or purged.
    Column("payload", LargeBinary),
)
"""Messages that could not be stored as observations or declared losses."""
Index("rejected_id", rejected.c.id)
Index("rejected_device_outbox", rejected.c.device, rejected.c.outbox)
Index(
    "rejected_with_payload",
    rejected.c.device,
    sqlite_where=rejected.c.payload.is_not(None),
    postgresql_where=rejected.c.payload.is_not(None),
)

dropped = Table(
    "dropped",
    metadata,
    Column("key", KEY, primary_key=True),
    Column("id", LargeBinary(16), nullable=False, unique=True),
    Column("device", ForeignKey(device.c.key), nullable=False),
    Column("outbox", KEY, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("cause", String(16), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)
"""Losses that devices have declared."""
Index("dropped_device_outbox", dropped.c.device, dropped.c.outbox)

acked_range = Table(
    "acked_range",
    metadata,
    Column("device", ForeignKey(device.c.key), primary_key=True),
    Column("outbox", KEY, primary_key=True, autoincrement=False),
    # 1: stored or rejected, or a declared loss itself; 0: declared lost. A number in both was stored or rejected.
    Column("received", SmallInteger, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
)
"""The acknowledged sequence numbers of each device's outboxes, as ranges that neither overlap nor touch."""

outbox_counter = Table(
    "outbox_counter",
    metadata,
    Column("device", ForeignKey(device.c.key), primary_key=True),
    Column("outbox", KEY, primary_key=True, autoincrement=False),
    # The outbox of another machine whose waiting rows this one took over, with their numbers; the device is the same.
    Column("previous_outbox", KEY),
    Column("first_seq", BigInteger, nullable=False),
    Column("oldest_seq", BigInteger, nullable=False),
    Column("next_seq", BigInteger, nullable=False),
    # `next_seq` in the first report after the device's last erasure: rows from it on were observed after the erasure,
    # whatever their clocks say. None while there has been no such report.
    Column("after_erasure_seq", BigInteger),
    Column("received_ms", BigInteger, nullable=False),
)
"""How far each device has counted in each outbox, as last reported; `mien.messages.health` defines the numbers."""

rollup = Table(
    "rollup",
    metadata,
    Column("device", ForeignKey(device.c.key), primary_key=True),
    Column("quarter_hour", BigInteger, primary_key=True),
    *(
        Column(f"{emotion}{suffix}", BigInteger, nullable=False, server_default="0")
        for emotion in EMOTIONS
        for suffix in ("", "_confidence", "_deleted", "_deleted_confidence")
    ),
    sqlite_with_rowid=False,
)
"""By device and quarter of an hour (since 1970), for each emotion: the number of observations and the sum of their
confidences, and how many of these rows have since been deleted, with the sum of their confidences. One row holds all
emotions, because the cost of a query is the number of rows it reads."""

device_state = Table(
    "device_state",
    metadata,
    Column("device", ForeignKey(device.c.key), primary_key=True),
    Column("topic", String(16), primary_key=True),
    Column("payload", LargeBinary, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)
"""The last message of each device on each of its retained topics: status, health, motion."""

erasure = Table(
    "erasure",
    metadata,
    Column("key", KEY, primary_key=True),
    Column("device", ForeignKey(device.c.key), nullable=False),
    # Whole quarters of an hour; the end is not included.
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("erased_ms", BigInteger, nullable=False),
    # 1: all that was held for the device, 0: only the span.
    Column("is_whole_device", SmallInteger, nullable=False),
    # 1 until a collector has cleared the retained topics of an erased device.
    Column("clear_retained", SmallInteger, nullable=False),
)
"""What was erased: observations of these spans are never stored again."""
Index("erasure_device", erasure.c.device)

discarded = Table(
    "discarded",
    metadata,
    Column("device", ForeignKey(device.c.key), primary_key=True),
    Column("rows", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
)
"""How many rows of each device collectors have discarded because it sent faster than they could store them."""

collector_state = Table(
    "collector_state",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("reason", String(16), nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)
"""The last status of each collector; `mien.messages.status` defines state and reason."""

server_clock = Table(
    "server_clock",
    metadata,
    Column("key", SmallInteger, primary_key=True, autoincrement=False),
    Column("believed_ms", BigInteger, nullable=False),
    Column("confirmed_ms", BigInteger, nullable=False),
)
"""One row: what the last collector believed about the time; `mien.broker.timekeeping` defines the columns."""
