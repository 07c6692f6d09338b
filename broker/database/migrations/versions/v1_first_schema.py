"""The first schema: every table that `mien.broker.database.schema` describes.

Until the first release this file is edited in place, together with `schema.py`. After it, this file never changes: each
change of the schema is a new revision beside it.
"""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
LOOKUP_TABLES = (
    ("device", sa.String(32)),
    ("outbox", sa.LargeBinary(16)),
    ("capture", sa.LargeBinary(16)),
    ("model", sa.String(12)),
    ("agent", sa.String(32)),
)


def upgrade() -> None:
    """Create the tables and their indexes."""
    for table, name_type in LOOKUP_TABLES:
        op.create_table(
            table,
            sa.Column("key", KEY, primary_key=True),
            sa.Column("name", name_type, nullable=False, unique=True),
        )
    _create_observation()
    _create_rejected()
    _create_delivery_tables()
    _create_rollup()
    op.create_table(
        "device_state",
        _reference("device", primary_key=True),
        sa.Column("topic", sa.String(16), primary_key=True),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )
    _create_erasure()
    _create_collector_tables()


def _create_observation() -> None:
    op.create_table(
        "observation",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        _reference("device"),
        sa.Column("emotion", sa.SmallInteger, sa.CheckConstraint("emotion BETWEEN 0 AND 6"), nullable=False),
        sa.Column("confidence", sa.SmallInteger, nullable=False),
        *(sa.Column(emotion, sa.SmallInteger, nullable=False) for emotion in EMOTIONS),
        sa.Column("track", sa.Integer, nullable=False),
        sa.Column("frames", sa.Integer, nullable=False),
        *(sa.Column(f"box_{side}", sa.SmallInteger, nullable=False) for side in ("left", "top", "width", "height")),
        sa.Column("latency_ms", sa.Integer, nullable=False),
        sa.Column("synced", sa.SmallInteger, nullable=False),
        _reference("model"),
        _reference("agent"),
        sa.Column("id", sa.LargeBinary(16), nullable=False, unique=True),
        sa.Column("capture", KEY, nullable=False),
        sa.Column("outbox", KEY, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("observation_device_at", "observation", ["device", "at_ms"])
    op.create_index("observation_at", "observation", ["at_ms"])


def _create_rejected() -> None:
    op.create_table(
        "rejected",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("identity", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("id", sa.LargeBinary(16)),
        sa.Column("device", KEY, sa.ForeignKey("device.key")),
        sa.Column("outbox", KEY),
        sa.Column("seq", sa.BigInteger),
        sa.Column("topic", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.LargeBinary),
    )
    op.create_index("rejected_id", "rejected", ["id"])
    op.create_index("rejected_device_outbox", "rejected", ["device", "outbox"])
    op.create_index(
        "rejected_with_payload",
        "rejected",
        ["device"],
        sqlite_where=sa.text("payload IS NOT NULL"),
        postgresql_where=sa.text("payload IS NOT NULL"),
    )


def _create_delivery_tables() -> None:
    op.create_table(
        "dropped",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("id", sa.LargeBinary(16), nullable=False, unique=True),
        _reference("device"),
        sa.Column("outbox", KEY, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("seq", "first", "last")),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("dropped_device_outbox", "dropped", ["device", "outbox"])
    op.create_table(
        "acked_range",
        _reference("device", primary_key=True),
        sa.Column("outbox", KEY, primary_key=True, autoincrement=False),
        sa.Column("received", sa.SmallInteger, primary_key=True),
        sa.Column("first", sa.BigInteger, primary_key=True),
        sa.Column("last", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "outbox_counter",
        _reference("device", primary_key=True),
        sa.Column("outbox", KEY, primary_key=True, autoincrement=False),
        sa.Column("previous_outbox", KEY),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("first_seq", "oldest_seq", "next_seq")),
        sa.Column("after_erasure_seq", sa.BigInteger),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )


def _create_rollup() -> None:
    op.create_table(
        "rollup",
        _reference("device", primary_key=True),
        sa.Column("quarter_hour", sa.BigInteger, primary_key=True),
        *(
            sa.Column(f"{emotion}{suffix}", sa.BigInteger, nullable=False, server_default="0")
            for emotion in EMOTIONS
            for suffix in ("", "_confidence", "_deleted", "_deleted_confidence")
        ),
        sqlite_with_rowid=False,
    )


def _create_erasure() -> None:
    op.create_table(
        "erasure",
        sa.Column("key", KEY, primary_key=True),
        _reference("device"),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("start_ms", "end_ms", "erased_ms")),
        *(sa.Column(name, sa.SmallInteger, nullable=False) for name in ("is_whole_device", "clear_retained")),
    )
    op.create_index("erasure_device", "erasure", ["device"])


def _create_collector_tables() -> None:
    op.create_table(
        "discarded",
        _reference("device", primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("rows", "last_ms")),
    )
    op.create_table(
        "collector_state",
        sa.Column("name", sa.String(32), primary_key=True),
        *(sa.Column(name, sa.String(16), nullable=False) for name in ("state", "reason")),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "server_clock",
        sa.Column("key", sa.SmallInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("believed_ms", "confirmed_ms")),
    )


def _reference(table: str, *, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(table, KEY, sa.ForeignKey(f"{table}.key"), primary_key=primary_key, nullable=False)
