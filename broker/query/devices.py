"""The state of each device: what it last reported, what it last observed, which sequence numbers are missing."""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import Connection, Engine, select

from mien.broker.database.encoding import SCALE, to_datetime
from mien.broker.database.engine import read_transaction
from mien.broker.database.gaps import count_gaps
from mien.broker.database.schema import device, device_state, discarded, model, observation
from mien.broker.row import Row, column_types
from mien.emotions import EMOTIONS, Emotion
from mien.messages.health import Health, decode_health
from mien.messages.motion import MotionState, decode_motion
from mien.messages.observation import UnitInterval
from mien.messages.status import DeviceStatus, decode_device_status
from mien.messages.topics import HEALTH, MOTION, STATUS

from .result import Result

Count = Annotated[int, Meta(ge=0)]
StateMessage = DeviceStatus | Health | MotionState
DECODERS: dict[str, Callable[[bytes], StateMessage]] = {
    STATUS: decode_device_status,
    HEALTH: decode_health,
    MOTION: decode_motion,
}


class DeviceRow(Row, frozen=True, kw_only=True):
    """The state of a device; null where it has not reported a value."""

    device: str
    state: Literal["online", "stopped", "offline"] | None
    last_heard_at: Annotated[datetime | None, Meta(description="When it last reported its status, health or motion.")]
    last_observed_at: datetime | None
    """Time of its newest observation, which the next three belong to."""
    last_emotion: Emotion | None
    last_confidence: UnitInterval | None
    last_model: str | None
    gaps: Annotated[int, Meta(ge=0, description="Sequence numbers that are neither acknowledged nor in its outbox.")]
    discarded: Annotated[
        int, Meta(ge=0, description="Rows that a collector discarded unread: the device sent too many.")
    ]
    last_discarded_at: datetime | None
    motion: bool | None
    """Whether it sees motion."""
    waiting: Count | None
    """Observations in its outbox; the next three are about the outbox too."""
    oldest_age_s: float | None
    rejected: Count | None
    dropped: Count | None
    camera: str | None
    camera_error: str | None
    camera_fault: str | None
    """What is wrong with its images, or was in the last two minutes; null if nothing is."""
    camera_color: bool | None
    sensor: str | None
    sensor_fault: str | None
    clock: str | None
    temperature_celsius: float | None
    throttled: bool | None
    disk_free_bytes: Count | None
    agent: str | None
    model: str | None


def list_devices(engine: Engine, *, zone: tzinfo | None) -> Result[DeviceRow]:
    """A row for each device in the log, by name; None where a device has not reported a value in a known format.

    DatabaseError if the log cannot be read, QueryTimeout or TooManyQueries as for `read_transaction`.
    """
    with read_transaction(engine) as connection:
        gaps = count_gaps(connection)
        messages, last_heard_ms = _read_device_states(connection)
        floods = {row.device: row for row in connection.execute(select(discarded))}
        rows = [
            DeviceRow(
                device=row.name,
                last_heard_at=to_datetime(last_heard_ms[row.key], zone) if row.key in last_heard_ms else None,
                gaps=gaps.get(row.name, 0),
                discarded=floods[row.key].rows if row.key in floods else 0,
                last_discarded_at=to_datetime(floods[row.key].last_ms, zone) if row.key in floods else None,
                **_status_columns(messages.get((row.key, STATUS))),
                **_last_observation_columns(connection, row.key, zone),
                **_motion_columns(messages.get((row.key, MOTION))),
                **_health_columns(messages.get((row.key, HEALTH))),
            )
            for row in connection.execute(select(device).order_by(device.c.name))
        ]
    return Result(rows, column_types(DeviceRow), zone=zone)


def _read_device_states(connection: Connection) -> tuple[dict[tuple[int, str], StateMessage], dict[int, int]]:
    """The last message by device and topic, and when each device was last heard."""
    messages: dict[tuple[int, str], StateMessage] = {}
    last_heard_ms: dict[int, int] = defaultdict(int)
    for row in connection.execute(select(device_state)):
        last_heard_ms[row.device] = max(last_heard_ms[row.device], row.received_ms)
        try:
            messages[row.device, row.topic] = DECODERS[row.topic](row.payload)
        except (KeyError, msgspec.DecodeError):
            continue  # from another release
    return messages, dict(last_heard_ms)


def _status_columns(message: StateMessage | None) -> dict[str, Any]:
    status = message if isinstance(message, DeviceStatus) else None
    return {
        "state": status.state if status else None,
        "agent": status.agent if status else None,
        "model": status.model if status else None,
    }


def _motion_columns(message: StateMessage | None) -> dict[str, Any]:
    return {"motion": message.state == "on" if isinstance(message, MotionState) else None}


def _health_columns(message: StateMessage | None) -> dict[str, Any]:
    health = message if isinstance(message, Health) else None
    outbox, machine = (health.outbox, health.machine) if health else (None, None)
    camera, sensor = (health.camera, health.sensor) if health else (None, None)
    return {
        "waiting": outbox.waiting if outbox else None,
        "oldest_age_s": outbox.oldest_age_s if outbox else None,
        "rejected": outbox.rejected if outbox else None,
        "dropped": outbox.dropped if outbox else None,
        "camera": ("paused" if camera.paused else camera.state) if camera else None,
        "camera_error": camera.error if camera else None,
        "camera_fault": camera.fault if camera else None,
        "camera_color": camera.color if camera else None,
        "sensor": sensor.state if sensor else None,
        "sensor_fault": sensor.fault if sensor else None,
        "clock": machine.clock if machine else None,
        "temperature_celsius": machine.temperature_celsius if machine else None,
        "throttled": machine.throttled if machine else None,
        "disk_free_bytes": machine.disk_free_bytes if machine else None,
    }


def _last_observation_columns(connection: Connection, device_key: int, zone: tzinfo | None) -> dict[str, Any]:
    query = select(observation.c.at_ms, observation.c.emotion, observation.c.confidence, model.c.name.label("model"))
    query = query.join(model, model.c.key == observation.c.model).where(observation.c.device == device_key)
    row = connection.execute(query.order_by(observation.c.at_ms.desc(), observation.c.key.desc()).limit(1)).first()
    return {
        "last_observed_at": to_datetime(row.at_ms, zone) if row else None,
        "last_emotion": EMOTIONS[row.emotion] if row else None,
        "last_confidence": row.confidence / SCALE if row else None,
        "last_model": row.model if row else None,
    }
