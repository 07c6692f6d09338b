"""The view `emotion_log` for people who write SQL: the log in words, columns named as in `mien.observation`.

UTC; scores and boxes as fractions.
"""

from mien.emotions import EMOTIONS

from .schema import SCALE

SIDES = ("left", "top", "width", "height")


def emotion_log(dialect: str) -> str:
    """The statement that makes the view, for `sqlite` or `postgresql`."""
    moment, identifier = (_sqlite_time, _sqlite_uuid) if dialect == "sqlite" else (_postgresql_time, _postgresql_uuid)
    return f"""CREATE VIEW emotion_log AS SELECT
    {moment("o.at_ms")} AS at,
    device.name AS device,
    CASE o.emotion {" ".join(f"WHEN {place} THEN '{name}'" for place, name in enumerate(EMOTIONS))} END AS emotion,
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
