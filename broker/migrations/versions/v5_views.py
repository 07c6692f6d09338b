"""The view emotion_counts came; `mien.broker.migrating` makes all views anew at each step."""

revision = "5"
down_revision = "4"


def upgrade() -> None:
    """No table changes."""
