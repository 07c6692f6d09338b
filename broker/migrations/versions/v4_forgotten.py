"""What retention has deleted, beside what was counted: so that the rollup can still be held against the rows."""

import sqlalchemy as sa
from alembic import op

revision = "4"
down_revision = "3"


def upgrade() -> None:
    """Add the columns; until now nothing was deleted."""
    for name in ("forgotten", "forgotten_confidence"):
        op.add_column("rollup", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
