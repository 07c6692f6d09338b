"""The tables of the emotion log, and the view of them for people who write SQL."""

from sqlalchemy import (
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

SCALE = 10_000
"""Scores, confidences and boxes are stored as integers in 1/10,000."""

metadata = MetaData()


def _names(table: str, kind: type[String] | type[LargeBinary], length: int) -> Table:
    """A table that gives long, repeated names a short number."""
    return Table(
        table,
        metadata,
        Column("key", Integer, primary_key=True),
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
    Column("key", Integer, primary_key=True),
    Column("id", LargeBinary(16), nullable=False, unique=True),
    Column("device", ForeignKey(device.c.key), nullable=False),
    Column("outbox", ForeignKey(outbox.c.key), nullable=False),
    Column("capture", ForeignKey(capture.c.key), nullable=False),
    Column("model", ForeignKey(model.c.key), nullable=False),
    Column("agent", ForeignKey(agent.c.key), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("track", Integer, nullable=False),
    Column("at_ms", Integer, nullable=False),
    Column("received_ms", Integer, nullable=False),
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
    Column("key", Integer, primary_key=True),
    # A message with a readable envelope is kept once by its id, any other once by its hash.
    Column("id", LargeBinary(16), unique=True),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("topic", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("received_ms", Integer, nullable=False),
    Column("payload", LargeBinary),
)
Index("rejected_without_envelope", rejected.c.sha256, unique=True, sqlite_where=rejected.c.id.is_(None))


def _uuid_text(column: str) -> str:
    parts = [(1, 8), (9, 4), (13, 4), (17, 4), (21, 12)]
    return " || '-' || ".join(f"substr(lower(hex({column})), {start}, {count})" for start, count in parts)


def _time_text(column: str) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', {column} / 1000.0, 'unixepoch')"


EMOTION_LOG = f"""
CREATE VIEW IF NOT EXISTS emotion_log AS SELECT
    {_time_text("o.at_ms")} AS at,
    device.name AS device,
    CASE o.emotion {" ".join(f"WHEN {place} THEN '{name}'" for place, name in enumerate(EMOTIONS))} END AS emotion,
    o.confidence / {SCALE}.0 AS confidence,
    {", ".join(f"o.{name} / {SCALE}.0 AS {name}" for name in EMOTIONS)},
    o.track AS track,
    o.frames AS frames,
    {", ".join(f"o.box_{side} / {SCALE}.0 AS box_{side}" for side in ("left", "top", "width", "height"))},
    o.latency_ms AS latency_ms,
    CASE o.synced WHEN 1 THEN 'synced' ELSE 'unsynced' END AS clock,
    model.name AS model,
    agent.name AS agent,
    {_uuid_text("o.id")} AS id,
    {_uuid_text("capture.name")} AS capture,
    {_uuid_text("outbox.name")} AS outbox,
    o.seq AS seq,
    {_time_text("o.received_ms")} AS received
FROM observation AS o
JOIN device ON device.key = o.device
JOIN model ON model.key = o.model
JOIN agent ON agent.key = o.agent
JOIN capture ON capture.key = o.capture
JOIN outbox ON outbox.key = o.outbox
"""
"""The log in words, columns named as in `mien.observation`. UTC; scores and boxes as fractions."""
