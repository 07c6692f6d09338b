"""A device's health report: retained, published once a minute."""

from typing import Annotated, Literal, TypeVar, get_args
from uuid import UUID

import msgspec
from msgspec import Meta, Raw, Struct

from mien.emotions import Emotion
from mien.messages.codec import MessageCodec, MessageDecoder
from mien.messages.envelope import SequenceNumber
from mien.messages.observation import UnitInterval
from mien.messages.text import Kind, OptionalModelId, ShortText

Part = TypeVar("Part")

Count = Annotated[int, Meta(ge=0, le=2**53)]
SkipReason = Literal["small", "cut_off", "turned", "dark", "blurred", "covered", "flicker", "still"]
"""Why what was found was not reported. `flicker` counts faces that were in view too briefly, `still` the observations
that were not made of faces that never move; all others count faces in single frames that could not be read."""
SKIP_REASONS: tuple[SkipReason, ...] = get_args(SkipReason)
MAX_SKIP_REASONS = 16
CameraFault = Literal[
    "absent", "refused", "stopped", "black", "green", "frozen", "exposure", "resized", "time_jump"
]  # fmt: skip
"""absent: no frames since it was opened. refused: it wants another user or password. stopped: no more frames. black,
green: all or much of the image is. frozen: the same image again and again. exposure: the brightness jumps. resized: the
image has another size than before. time_jump: the stream's clock has gone back."""
CAMERA_FAULTS: tuple[CameraFault, ...] = get_args(CameraFault)
MAX_CAMERA_FAULTS = 16
SensorFault = Literal["stuck_high", "stuck_low", "bouncing", "silent", "periodic"]
"""stuck_high: motion without a pause. stuck_low: no signal since the agent started. bouncing: signals faster than a
sensor's. silent: no signal for days, as there were before. periodic: signals at regular intervals."""
SENSOR_FAULTS: tuple[SensorFault, ...] = get_args(SensorFault)
SensorState = Literal["warming_up", "ok", "stuck", "periodic"]
SENSOR_STATES: tuple[SensorState, ...] = get_args(SensorState)


class OutboxHealth(Struct, frozen=True, kw_only=True):
    """What waits on the device, and which sequence numbers a collector should have."""

    id: UUID
    first_seq: SequenceNumber
    """The first number that this outbox assigned."""
    oldest_seq: SequenceNumber
    """The lowest number not yet acknowledged; `next_seq` if all are."""
    next_seq: SequenceNumber
    """The number that the next observation gets."""
    waiting: Count
    """Rows not yet acknowledged."""
    oldest_age_s: Annotated[float, Meta(ge=0.0)] | None
    """How long the oldest of them has waited; None if no row waits, or if it was written before the last reboot."""
    rejected: Count
    """Rows that a collector can never store, kept with the reason."""
    dropped: Count
    """Rows deleted because the outbox was full, since the agent started."""
    write_errors: Count
    """Observations that could not be written to disk, since the agent started."""
    previous_outbox: UUID | None = None
    """The outbox, copied from another machine, whose waiting rows and numbers this outbox has taken over."""
    corrupt_files: Count
    """Damaged outbox files that were set aside, since the agent started."""

    def __post_init__(self) -> None:
        if not self.first_seq <= self.oldest_seq <= self.next_seq:
            raise ValueError(f"first_seq {self.first_seq}, oldest_seq {self.oldest_seq}, next_seq {self.next_seq}")


class SensorHealth(Struct, frozen=True, kw_only=True):
    """The sensor that wakes the device."""

    kind: Kind
    state: SensorState
    """stuck: it reports motion without a pause. periodic: it wakes the device at regular intervals."""
    wakes_last_hour: Count
    period_s: float | None
    """The interval, if it is periodic."""
    fault: Kind | None = None
    """What is wrong with it, of SENSOR_FAULTS or what a newer release adds; None if nothing is."""


class CameraHealth(Struct, frozen=True, kw_only=True):
    """The device's camera."""

    kind: Kind
    state: Literal["closed", "on", "failing"]
    failures: Count
    """Since the agent started."""
    error: ShortText
    """Why it fails; empty if it works."""
    paused: bool = False
    """Whether `mien aim` on the device has it: no observations are made meanwhile."""
    fault: Kind | None = None
    """What is wrong now or was in the last two minutes, of CAMERA_FAULTS or what a newer release adds; None if nothing
    is. While `state` is not failing, the camera delivers images."""
    faults: Annotated[dict[Kind, Count], Meta(max_length=MAX_CAMERA_FAULTS)] = {}
    """How often each has begun since the agent started."""
    color: bool | None = None
    """Whether its images have color, which they have not by infra-red light; None before the first image."""


class VisionHealth(Struct, frozen=True, kw_only=True):
    """What became of the frames since the agent started, and how long the last thousand took."""

    model: OptionalModelId = ""
    model_error: ShortText = ""
    """Why the model named in the settings is not in use; empty if it is."""
    frames: Count
    faces: Count
    """Faces classified."""
    too_small: Count
    blurred: Count
    """The same as in `skipped`, for collectors of older releases."""
    skipped: Annotated[dict[Kind, Count], Meta(max_length=MAX_SKIP_REASONS)] = {}
    """What was found and not reported, by reason: those of SKIP_REASONS, and those that a newer release adds."""
    frame_ms_p50: float | None
    frame_ms_p95: float | None
    """Time from a decoded frame to the scores of its faces; None before the first frame."""
    inference_ms_p50: float | None
    inference_ms_p95: float | None
    """The part of it that one face's inference takes."""


class MachineHealth(Struct, frozen=True, kw_only=True):
    """The device's hardware and clock."""

    clock: Literal["synced", "unsynced"]
    disk_free_bytes: Count
    """On the file system that holds the outbox."""
    temperature_celsius: float | None
    throttled: bool | None
    """Whether it is slowed down now, by heat or an inadequate power supply; None if the machine does not report it."""


class Health(Struct, frozen=True, kw_only=True):
    """On `<base_topic>/<device>/health`. None for parts that the device lacks or that its release does not report."""

    outbox: OutboxHealth
    sensor: SensorHealth | None = None
    camera: CameraHealth | None = None
    vision: VisionHealth | None = None
    machine: MachineHealth | None = None
    predictions: dict[Emotion, UnitInterval] | None = None
    """The share of each emotion among the observations of the last hour; None if there are none."""
    mean_confidence: UnitInterval | None = None
    """Of these observations."""


class EncodedHealth(Struct, frozen=True, kw_only=True):
    """The same report with its optional parts not decoded yet."""

    outbox: OutboxHealth
    sensor: Raw = Raw(b"null")
    camera: Raw = Raw(b"null")
    vision: Raw = Raw(b"null")
    machine: Raw = Raw(b"null")
    predictions: Raw = Raw(b"null")
    mean_confidence: Raw = Raw(b"null")


encode_health = MessageCodec(Health).encode
_decoder = MessageDecoder(EncodedHealth)
_sensor_decoder = MessageDecoder(SensorHealth)
_camera_decoder = MessageDecoder(CameraHealth)
_vision_decoder = MessageDecoder(VisionHealth)
_machine_decoder = MessageDecoder(MachineHealth)
_predictions_decoder = MessageDecoder(dict[Emotion, UnitInterval])
_confidence_decoder = MessageDecoder[float](UnitInterval)


def decode_health(payload: bytes) -> Health:
    """The report, with None for an invalid part; msgspec.DecodeError if `outbox` is invalid."""
    parts = _decoder.decode(payload)
    return Health(
        outbox=parts.outbox,
        sensor=_decode_part(_sensor_decoder, parts.sensor),
        camera=_decode_part(_camera_decoder, parts.camera),
        vision=_decode_part(_vision_decoder, parts.vision),
        machine=_decode_part(_machine_decoder, parts.machine),
        predictions=_decode_part(_predictions_decoder, parts.predictions),
        mean_confidence=_decode_part(_confidence_decoder, parts.mean_confidence),
    )


def _decode_part(decoder: MessageDecoder[Part], part: Raw) -> Part | None:
    try:
        return decoder.decode(bytes(part))
    except msgspec.DecodeError:
        return None
