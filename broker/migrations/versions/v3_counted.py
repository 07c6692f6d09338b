"""How far each outbox has counted: so that what an outbox lost is known after its device has another one."""

import sqlalchemy as sa
from alembic import op

revision = "3"
down_revision = "2"

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the table. Devices tell once a minute, and when the collector connects, what belongs into it."""
    op.create_table(
        "counted",
        sa.Column("device", BIG, sa.ForeignKey("device.key"), primary_key=True),
        sa.Column("outbox", BIG, sa.ForeignKey("outbox.key"), primary_key=True),
        sa.Column("continues", BIG, sa.ForeignKey("outbox.key")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("first_seq", "oldest_seq", "next_seq")),
        sa.Column("received_ms", sa.BigInteger, nullable=False),
    )
