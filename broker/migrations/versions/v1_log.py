"""The log as the first release made it: observations, and what can never be stored."""

import sqlalchemy as sa
from alembic import op

from mien.emotions import EMOTIONS

revision = "1"
down_revision = None

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables. SQLite files of the first release have them already and begin at step 2."""
    names = (
        ("device", sa.String(32)),
        ("outbox", sa.LargeBinary(16)),
        ("capture", sa.LargeBinary(16)),
        ("model", sa.String(12)),
        ("agent", sa.String(32)),
    )
    for table, kind in names:
        op.create_table(
            table,
            sa.Column("key", BIG, primary_key=True),
            sa.Column("name", kind, nullable=False, unique=True),
        )
    op.create_table(
        "observation",
        sa.Column("key", BIG, primary_key=True),
        sa.Column("id", sa.LargeBinary(16), nullable=False, unique=True),
        *(sa.Column(table, BIG, sa.ForeignKey(f"{table}.key"), nullable=False) for table, _ in names),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("track", sa.Integer, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("synced", sa.SmallInteger, nullable=False),
        sa.Column("emotion", sa.SmallInteger, sa.CheckConstraint("emotion BETWEEN 0 AND 6"), nullable=False),
        sa.Column("confidence", sa.SmallInteger, nullable=False),
        *(sa.Column(name, sa.SmallInteger, nullable=False) for name in EMOTIONS),
        sa.Column("frames", sa.Integer, nullable=False),
        *(sa.Column(f"box_{side}", sa.SmallInteger, nullable=False) for side in ("left", "top", "width", "height")),
        sa.Column("latency_ms", sa.Integer, nullable=False),
    )
    op.create_index("observation_device_at", "observation", ["device", "at_ms"])
    op.create_index("observation_at", "observation", ["at_ms"])
    op.create_table(
        "rejected",
        sa.Column("key", BIG, primary_key=True),
        sa.Column("id", sa.LargeBinary(16), unique=True),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("topic", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.LargeBinary),
    )
    op.create_index(
        "rejected_without_envelope",
        "rejected",
        ["sha256"],
        unique=True,
        sqlite_where=sa.text("id IS NULL"),
        postgresql_where=sa.text("id IS NULL"),
    )
