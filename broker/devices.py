"""How each device is: what it last said, what it last saw, what is missing of it."""

from collections import defaultdict
from collections.abc import Callable
from datetime import tzinfo
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, select

from mien.emotions import EMOTIONS
from mien.health import HEALTH, Health, decode_health
from mien.motion import MOTION, MotionState, decode_motion
from mien.status import DeviceStatus, decode_device_status

from .database import reading
from .gaps import count_gaps
from .question import in_zone
from .schema import SCALE, device, device_state, observation

STATUS = "status"
Said = DeviceStatus | Health | MotionState
DECODERS: dict[str, Callable[[bytes], Said]] = {
    STATUS: decode_device_status,
    HEALTH: decode_health,
    MOTION: decode_motion,
}


def list_devices(engine: Engine, *, zone: tzinfo | None) -> list[dict[str, Any]]:
    """A row for each device that the log knows, by name; None where a device has not told, or a release cannot read it.

    state (online, stopped, offline) and heard (when it last said anything on status, health or motion), moving,
    last_at, last_emotion, last_confidence; missing: numbers that nobody has answered and that do not wait; waiting,
    oldest_age_s, refused, dropped of its outbox; camera, sensor, clock, temperature_celsius, throttled,
    disk_free_bytes, agent, model. DatabaseError if the log cannot be read, QueryStopped or LogBusy as for `reading`.
    """
    with reading(engine) as connection:
        missing = count_gaps(connection)
        said, heard = _said(connection)
        return [
            {
                "device": row.name,
                **_status(said.get((row.key, STATUS))),
                "heard": in_zone(heard[row.key], zone) if row.key in heard else None,
                **_last(connection, row.key, zone),
                "missing": missing.get(row.name, 0),
                **_motion(said.get((row.key, MOTION))),
                **_health(said.get((row.key, HEALTH))),
            }
            for row in connection.execute(select(device).order_by(device.c.name))
        ]


def _said(connection: Connection) -> tuple[dict[tuple[int, str], Said], dict[int, int]]:
    """By device and topic what it said; and when it last said anything."""
    said: dict[tuple[int, str], Said] = {}
    heard: dict[int, int] = defaultdict(int)
    for row in connection.execute(select(device_state)):
        heard[row.device] = max(heard[row.device], row.received_ms)
        try:
            said[row.device, row.topic] = DECODERS[row.topic](row.payload)
        except (KeyError, msgspec.DecodeError):
            continue  # of another release
    return said, dict(heard)


def _status(said: Said | None) -> dict[str, Any]:
    told = said if isinstance(said, DeviceStatus) else None
    return {
        "state": told.state if told else None,
        "agent": told.agent if told else None,
        "model": told.model if told else None,
    }


def _motion(said: Said | None) -> dict[str, Any]:
    return {"moving": said.state == "on" if isinstance(said, MotionState) else None}


def _health(said: Said | None) -> dict[str, Any]:
    told = said if isinstance(said, Health) else None
    outbox, machine = (told.outbox, told.machine) if told else (None, None)
    camera, sensor = (told.camera, told.sensor) if told else (None, None)
    return {
        "waiting": outbox.waiting if outbox else None,
        "oldest_age_s": outbox.oldest_age_s if outbox else None,
        "refused": outbox.refused if outbox else None,
        "dropped": outbox.dropped if outbox else None,
        "camera": camera.state if camera else None,
        "camera_error": camera.error if camera else None,
        "sensor": sensor.state if sensor else None,
        "clock": machine.clock if machine else None,
        "temperature_celsius": machine.temperature_celsius if machine else None,
        "throttled": machine.throttled if machine else None,
        "disk_free_bytes": machine.disk_free_bytes if machine else None,
    }


def _last(connection: Connection, key: int, zone: tzinfo | None) -> dict[str, Any]:
    wanted = select(observation.c.at_ms, observation.c.emotion, observation.c.confidence)
    wanted = wanted.where(observation.c.device == key).order_by(observation.c.at_ms.desc(), observation.c.key.desc())
    row = connection.execute(wanted.limit(1)).first()
    return {
        "last_at": in_zone(row.at_ms, zone) if row else None,
        "last_emotion": EMOTIONS[row.emotion] if row else None,
        "last_confidence": row.confidence / SCALE if row else None,
    }
