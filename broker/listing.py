"""Lists observations of the emotion log."""

from datetime import tzinfo
from typing import Any

from sqlalchemy import Engine, select

from mien.emotions import EMOTIONS

from .database import reading
from .question import Question, in_zone, within
from .schema import SCALE, device, observation


def list_observations(engine: Engine, question: Question, *, limit: int, zone: tzinfo | None) -> list[dict[str, Any]]:
    """The newest observations, at most `limit`, oldest first: time, device, emotion, confidence, track, frames."""
    wanted = (
        select(
            observation.c.at_ms,
            device.c.name.label("device"),
            observation.c.emotion,
            observation.c.confidence,
            observation.c.track,
            observation.c.frames,
        )
        .join(device, device.c.key == observation.c.device)
        .where(*question.conditions(), *within(question.begin_ms, question.end_ms))
        .order_by(observation.c.at_ms.desc(), observation.c.key.desc())
        .limit(limit)
    )
    with reading(engine) as connection:
        newest = connection.execute(wanted).all()
    return [
        {
            "at": in_zone(row.at_ms, zone).isoformat(timespec="milliseconds"),
            "device": row.device,
            "emotion": EMOTIONS[row.emotion],
            "confidence": row.confidence / SCALE,
            "track": row.track,
            "frames": row.frames,
        }
        for row in reversed(newest)
    ]
