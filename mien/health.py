"""How a device is doing: retained, once a minute."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from mien.envelope import Sequence
from mien.wire import Decoder

HEALTH = "health"
"""The last level of its topic."""

Count = Annotated[int, Meta(ge=0, le=2**53)]


class OutboxHealth(Struct, frozen=True, kw_only=True):
    """What waits on the device, and which numbers a collector should have."""

    id: UUID
    first_seq: Sequence
    """Where this outbox began to count."""
    oldest_seq: Sequence
    """The lowest number without an answer; `next_seq` where all are answered."""
    next_seq: Sequence
    """What the next observation gets."""
    waiting: Count
    """Rows without an answer."""
    oldest_age_s: Annotated[float, Meta(ge=0.0)] | None
    """How long the oldest of them has waited; None if none does, or since an earlier start of the machine."""
    refused: Count
    """Rows that a collector can never store, kept with the reason."""
    dropped: Count
    """Rows deleted because the outbox was full, since the agent started."""
    not_kept: Count
    """Observations that could not be written to the disk, since the agent started."""
    continues: UUID | None = None
    """The outbox of another machine whose waiting rows this one took over, with their numbers, under its own name."""
    set_aside: Count
    """Damaged outbox files that were put aside, since the agent started."""


class SensorHealth(Struct, frozen=True, kw_only=True):
    """What wakes the device."""

    kind: str
    state: Literal["settling", "ok", "stuck", "periodic"]
    """stuck: it reports movement without a break. periodic: it wakes the device at even distances."""
    wakes_last_hour: Count
    period_s: float | None
    """The distance, if it is periodic."""


class CameraHealth(Struct, frozen=True, kw_only=True):
    """The device's camera."""

    kind: str
    state: Literal["closed", "on", "failing"]
    failures: Count
    """Since the agent started."""
    error: str
    """Why it fails; empty while it does not."""


class VisionHealth(Struct, frozen=True, kw_only=True):
    """What became of the frames since the agent started, and what the last thousand cost."""

    model: str = ""
    """First 12 hexadecimal digits of the SHA-256 of the weights in use."""
    model_error: str = ""
    """Why the model that the settings name is not in use; empty if it is."""
    frames: Count
    faces: Count
    """Classified."""
    too_small: Count
    """Left out."""
    blurred: Count
    """Left out."""
    frame_ms_p50: float | None
    frame_ms_p95: float | None
    """From a frame in hand to its faces' scores; None before the first."""
    inference_ms_p50: float | None
    inference_ms_p95: float | None
    """Of these for one face's scores."""


class MachineHealth(Struct, frozen=True, kw_only=True):
    """The device itself."""

    clock: Literal["synced", "unsynced"]
    disk_free_bytes: Count
    """Where the outbox is."""
    temperature_celsius: float | None
    throttled: bool | None
    """Whether it runs slower now, for heat or a weak power supply; None where it does not tell."""


class Health(Struct, frozen=True, kw_only=True):
    """On `<root>/<device>/health`. Parts that a device does not have, or an earlier release did not tell, are None."""

    outbox: OutboxHealth
    sensor: SensorHealth | None = None
    camera: CameraHealth | None = None
    vision: VisionHealth | None = None
    machine: MachineHealth | None = None


_encoder = msgspec.json.Encoder()
_decoder = Decoder(Health)


def encode(health: Health) -> bytes:
    """The wire form of a device's health."""
    return _encoder.encode(health)


def decode_health(payload: bytes) -> Health:
    """A device's health from its wire form; msgspec.DecodeError if it is none."""
    return _decoder.decode(payload)
