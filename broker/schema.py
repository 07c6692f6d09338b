"""The tables of the emotion log, alike in SQLite and PostgreSQL. `migrations/` makes them."""

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

REVISION = "6"
"""The last step in `migrations/versions`: what this release reads and writes."""
SCALE = 10_000
"""Scores, confidences and boxes are stored as integers in 1/10,000."""
QUARTER_MS = 15 * 60 * 1000
"""The rollup counts by quarters of an hour: whole hours and days of every time zone are made of these."""
BIG = BigInteger().with_variant(Integer, "sqlite")
"""64 bits; SQLite counts keys only in columns that it calls INTEGER."""

metadata = MetaData()


def _names(table: str, kind: type[String] | type[LargeBinary], length: int) -> Table:
    """A table that gives long, repeated names a short number."""
    return Table(
        table,
        metadata,
        Column("key", BIG, primary_key=True),
        Column("name", kind(length), nullable=False, unique=True),
    )


device = _names("device", String, 32)
outbox = _names("outbox", LargeBinary, 16)
capture = _names("capture", LargeBinary, 16)
model = _names("model", String, 12)
agent = _names("agent", String, 32)

observation = Table(
    "observation",
    metadata,
    Column("key", BIG, primary_key=True),
    Column("id", LargeBinary(16), nullable=False, unique=True),
    Column("device", ForeignKey(device.c.key), nullable=False),
    Column("outbox", ForeignKey(outbox.c.key), nullable=False),
    Column("capture", ForeignKey(capture.c.key), nullable=False),
    Column("model", ForeignKey(model.c.key), nullable=False),
    Column("agent", ForeignKey(agent.c.key), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("track", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("synced", SmallInteger, nullable=False),
    Column("emotion", SmallInteger, CheckConstraint(f"emotion BETWEEN 0 AND {len(EMOTIONS) - 1}"), nullable=False),
    Column("confidence", SmallInteger, nullable=False),
    *(Column(name, SmallInteger, nullable=False) for name in EMOTIONS),
    Column("frames", Integer, nullable=False),
    *(Column(f"box_{side}", SmallInteger, nullable=False) for side in ("left", "top", "width", "height")),
    Column("latency_ms", Integer, nullable=False),
)
Index("observation_device_at", observation.c.device, observation.c.at_ms)
Index("observation_at", observation.c.at_ms)

rejected = Table(
    "rejected",
    metadata,
    Column("key", BIG, primary_key=True),
    # A message with a readable envelope is kept once by its id, any other once by its hash.
    Column("id", LargeBinary(16), unique=True),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("topic", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("payload", LargeBinary),
)
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
    Column("key", BIG, primary_key=True),
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

answered = Table(
    "answered",
    metadata,
    Column("outbox", ForeignKey(outbox.c.key), primary_key=True),
    # 1: stored or rejected, or a declared loss itself; 0: declared lost. A number in both was stored or rejected.
    Column("settled", SmallInteger, primary_key=True),
    Column("first", BigInteger, primary_key=True),
    Column("last", BigInteger, nullable=False),
)
"""Which numbers of each outbox have been answered, as runs that neither overlap nor touch."""

counted = Table(
    "counted",
    metadata,
    Column("device", ForeignKey(device.c.key), primary_key=True),
    Column("outbox", ForeignKey(outbox.c.key), primary_key=True),
    # The outbox of another machine whose waiting rows went on in this one, under their numbers.
    Column("continues", ForeignKey(outbox.c.key)),
    Column("first_seq", BigInteger, nullable=False),
    Column("oldest_seq", BigInteger, nullable=False),
    Column("next_seq", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)
"""How far each device has counted in each outbox, as it last told; `mien.health` says what the numbers are."""

rollup = Table(
    "rollup",
    metadata,
    Column("device", ForeignKey(device.c.key), primary_key=True),
    Column("quarter", BigInteger, primary_key=True),
    *(
        Column(f"{emotion}{kind}", BigInteger, nullable=False, server_default="0")
        for emotion in EMOTIONS
        for kind in ("", "_confidence", "_forgotten", "_forgotten_confidence")
    ),
    sqlite_with_rowid=False,
)
"""By device and quarter of an hour (since 1970), for each emotion: how many observations, the sum of their confidences,
and of how many, with which sum, the rows have been deleted since. One row for all emotions, since what a question
costs is the rows that it reads."""

device_state = Table(
    "device_state",
    metadata,
    Column("device", ForeignKey(device.c.key), primary_key=True),
    Column("topic", String(16), primary_key=True),
    Column("payload", LargeBinary, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
)
"""The last that each device said on its retained topics: status, health, motion."""
