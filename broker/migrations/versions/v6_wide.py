"""The rollup has one row for all emotions of a device's quarter of an hour, where it had one for each."""

import sqlalchemy as sa
from alembic import op

revision = "6"
down_revision = "5"

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
KINDS = {
    "": "observations",
    "_confidence": "confidence",
    "_forgotten": "forgotten",
    "_forgotten_confidence": "forgotten_confidence",
}


def upgrade() -> None:
    """Make the new table from the old one."""
    # Copied, not renamed: with that SQLite looks at all views, those that people have made among them.
    op.execute("CREATE TEMPORARY TABLE narrow_rollup AS SELECT * FROM rollup")
    op.drop_table("rollup")
    names = [f"{emotion}{kind}" for emotion in EMOTIONS for kind in KINDS]
    op.create_table(
        "rollup",
        sa.Column("device", BIG, sa.ForeignKey("device.key"), primary_key=True),
        sa.Column("quarter", sa.BigInteger, primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False, server_default="0") for name in names),
        sqlite_with_rowid=False,
    )
    sums = [
        f"sum(CASE emotion WHEN {number} THEN {column} ELSE 0 END)"
        for number in range(len(EMOTIONS))
        for column in KINDS.values()
    ]
    into, of = ", ".join(names), ", ".join(sums)
    grouped = f"SELECT device, quarter, {of} FROM narrow_rollup GROUP BY device, quarter"  # noqa: S608  # our own names
    op.execute(f"INSERT INTO rollup (device, quarter, {into}) {grouped}")
    op.drop_table("narrow_rollup")
