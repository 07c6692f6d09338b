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
    if column.is_lookup:
        return Column(column.stored_as, ForeignKey(lookup_tables[column.name].c.key), nullable=False)
    check = column.encoding.check
    checks = [CheckConstraint(f"{column.stored_as} {check}")] if check else []
    return Column(column.stored_as, column.encoding.sql_type, *checks, nullable=False, unique=column.is_unique or None)


observation = Table(
    "observation", metadata, Column("key", KEY, primary_key=True), *(_stored_column(column) for column in COLUMNS)
)
Index("observation_device_at", observation.c.device, observation.c.at_ms)
Index("observation_at", observation.c.at_ms)

rejected = Table(
    "rejected",
    metadata,
    Column("key", KEY, primary_key=True),
    # A message with a readable envelope is stored once by its id, any other once by its hash.
    Column("id", LargeBinary(16), unique=True),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("topic", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("payload", LargeBinary),
)
"""Messages that could not be stored as observations or declared losses."""
Index(
    "rejected_without_envelope",
    rejected.c.sha256,
    unique=True,
    sqlite_where=rejected.c.id.is_(None),
    postgresql_where=rejected.c.id.is_(None),
)

dropped = Table(
    "dropped",
    metadata,
    Column("key", KEY, primary_key=True),
    Column("id", LargeBinary(16), nullable=False, unique=True),
    Column("device", ForeignKey(device.c.key), nullable=False),
    Column("outbox", ForeignKey(outbox.c.key), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("cause", String(16), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)
"""Losses that devices have declared."""

acked_range = Table(
    "acked_range",
    metadata,
    Column("outbox", ForeignKey(outbox.c.key), primary_key=True),
    # 1: stored or rejected, or a declared loss itself; 0: declared lost. A number in both was stored or rejected.
    Column("received", SmallInteger, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
)
"""The acknowledged sequence numbers of each outbox, as ranges that neither overlap nor touch."""

outbox_counter = Table(
    "outbox_counter",
    metadata,
    Column("device", ForeignKey(device.c.key), primary_key=True),
    Column("outbox", ForeignKey(outbox.c.key), primary_key=True),
    # The outbox of another machine whose waiting rows this one took over, with their numbers.
    Column("previous_outbox", ForeignKey(outbox.c.key)),
    Column("first_seq", BigInteger, nullable=False),
    Column("oldest_seq", BigInteger, nullable=False),
    Column("next_seq", BigInteger, nullable=False),
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
