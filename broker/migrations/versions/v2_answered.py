"""What proves that nothing is missing (answered, declared losses, devices' states), and the rollup."""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables and fill them from the observations that there are."""
    op.create_table(
        "dropped",
        sa.Column("key", BIG, primary_key=True),
        sa.Column("id", sa.LargeBinary(16), nullable=False, unique=True),
        sa.Column("device", BIG, sa.ForeignKey("device.key"), nullable=False),
        sa.Column("outbox", BIG, sa.ForeignKey("outbox.key"), nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("seq", "first", "last")),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "answered",
        sa.Column("outbox", BIG, sa.ForeignKey("outbox.key"), primary_key=True),
        sa.Column("settled", sa.SmallInteger, primary_key=True),
        sa.Column("first", sa.BigInteger, primary_key=True),
        sa.Column("last", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "rollup",
        sa.Column("device", BIG, sa.ForeignKey("device.key"), primary_key=True),
        sa.Column("quarter", sa.BigInteger, primary_key=True),
        sa.Column("emotion", sa.SmallInteger, primary_key=True),
        sa.Column("observations", sa.BigInteger, nullable=False),
        sa.Column("confidence", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "device_state",
        sa.Column("device", BIG, sa.ForeignKey("device.key"), primary_key=True),
        sa.Column("topic", sa.String(16), primary_key=True),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )
    op.execute(
        "INSERT INTO rollup SELECT device, at_ms / 900000, emotion, count(*), sum(confidence) FROM observation "
        "GROUP BY device, at_ms / 900000, emotion"
    )
    # A run of numbers is what has the same difference to its place in the order ("gaps and islands").
    op.execute(
        "INSERT INTO answered SELECT outbox, 1, min(seq), max(seq) FROM ("
        "SELECT outbox, seq, seq - row_number() OVER (PARTITION BY outbox ORDER BY seq) AS run "
        "FROM (SELECT DISTINCT outbox, seq FROM observation) AS numbers) AS runs GROUP BY outbox, run"
    )
