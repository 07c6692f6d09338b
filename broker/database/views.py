"""Two views for SQL users: `emotion_log`, the readable log, and `emotion_counts`, the precomputed counts.

Times are UTC; scores and boxes are fractions.
"""

from mien.emotions import EMOTIONS

from .columns import COLUMNS, LOOKUP_COLUMNS
from .encoding import SCALE, TIME
from .schema import QUARTER_HOUR_MS


def view_definitions(dialect: str) -> dict[str, str]:
    """The views by name, each with the statement that creates it, for `sqlite` or `postgresql`."""
    return {"emotion_log": _emotion_log(dialect), "emotion_counts": _emotion_counts(dialect)}


def _emotion_log(dialect: str) -> str:
    expressions = {
        column.name: column.encoding.view_expression(
            dialect, f"{column.name}.name" if column.is_lookup else f"o.{column.stored_as}"
        )
        for column in COLUMNS
    }
    columns = ",\n    ".join(f"{expression} AS {name}" for name, expression in expressions.items())
    joins = "\n".join(f"JOIN {column.name} ON {column.name}.key = o.{column.stored_as}" for column in LOOKUP_COLUMNS)
    return f"CREATE VIEW emotion_log AS SELECT\n    {columns}\nFROM observation AS o\n{joins}\n"


def _emotion_counts(dialect: str) -> str:
    selects = (
        f"""SELECT
    {TIME.view_expression(dialect, f"rollup.quarter_hour * {QUARTER_HOUR_MS}")} AS at,
    rollup.quarter_hour * {QUARTER_HOUR_MS // 1000} AS at_s,
    device.name AS device,
    CAST('{emotion}' AS TEXT) AS emotion,
    rollup.{emotion} AS observations,
    CAST(rollup.{emotion}_confidence AS DOUBLE PRECISION) / rollup.{emotion} / {SCALE} AS mean_confidence
FROM rollup
JOIN device ON device.key = rollup.device
WHERE rollup.{emotion} > 0
"""
        for emotion in EMOTIONS
    )
    return f"CREATE VIEW emotion_counts AS {'UNION ALL '.join(selects)}"
