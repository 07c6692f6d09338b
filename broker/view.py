"""Two views for people who write SQL: `emotion_log`, the log in words, and `emotion_counts`, the counts kept of it.

Columns are named as in `mien.observation`. UTC; scores and boxes as fractions.
"""

from mien.emotions import EMOTIONS

from .schema import QUARTER_MS, SCALE

SIDES = ("left", "top", "width", "height")


def views(dialect: str) -> dict[str, str]:
    """The views by name, and the statements that make them, for `sqlite` or `postgresql`."""
    return {"emotion_log": _emotion_log(dialect), "emotion_counts": _emotion_counts(dialect)}


def _emotion_log(dialect: str) -> str:
    moment, identifier = (_sqlite_time, _sqlite_uuid) if dialect == "sqlite" else (_postgresql_time, _postgresql_uuid)
    return f"""CREATE VIEW emotion_log AS SELECT
    {moment("o.at_ms")} AS at,
    device.name AS device,
    {_emotion("o.emotion")} AS emotion,
    {_fraction("confidence")},
    {", ".join(_fraction(name) for name in EMOTIONS)},
    o.track AS track,
    o.frames AS frames,
    {", ".join(_fraction(f"box_{side}") for side in SIDES)},
    o.latency_ms AS latency_ms,
    CASE o.synced WHEN 1 THEN 'synced' ELSE 'unsynced' END AS clock,
    model.name AS model,
    agent.name AS agent,
    {identifier("o.id")} AS id,
    {identifier("capture.name")} AS capture,
    {identifier("outbox.name")} AS outbox,
    o.seq AS seq,
    {moment("o.received_ms")} AS received
FROM observation AS o
JOIN device ON device.key = o.device
JOIN model ON model.key = o.model
JOIN agent ON agent.key = o.agent
JOIN capture ON capture.key = o.capture
JOIN outbox ON outbox.key = o.outbox
"""


def _emotion_counts(dialect: str) -> str:
    moment = _sqlite_time if dialect == "sqlite" else _postgresql_time
    of_each = (
        f"""SELECT
    {moment(f"rollup.quarter * {QUARTER_MS}")} AS at,
    rollup.quarter * {QUARTER_MS // 1000} AS at_s,
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
    return f"CREATE VIEW emotion_counts AS {'UNION ALL '.join(of_each)}"


def _emotion(column: str) -> str:
    cases = " ".join(f"WHEN {place} THEN '{name}'" for place, name in enumerate(EMOTIONS))
    return f"CASE {column} {cases} END"


def _fraction(column: str) -> str:
    return f"CAST(o.{column} AS DOUBLE PRECISION) / {SCALE} AS {column}"


def _sqlite_uuid(column: str) -> str:
    parts = [(1, 8), (9, 4), (13, 4), (17, 4), (21, 12)]
    return " || '-' || ".join(f"substr(lower(hex({column})), {start}, {count})" for start, count in parts)


def _sqlite_time(column: str) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', {column} / 1000.0, 'unixepoch')"


def _postgresql_uuid(column: str) -> str:
    return f"encode({column}, 'hex')::uuid::text"


def _postgresql_time(column: str) -> str:
    form = 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'
    return f"to_char(to_timestamp({column} / 1000.0) AT TIME ZONE 'UTC', '{form}')"
