"""The agent's settings: one TOML file with one table for each part."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from mien.device_name import DeviceName
from mien.edge.camera.settings import CameraSettings, RpicamSettings
from mien.edge.motion.settings import MotionSettings, PirSettings
from mien.edge.vision.settings import FaceSettings, YuNetSettings
from mien.mqtt.settings import MqttSettings
from mien.settings.quantities import PositiveSeconds, Seconds


class ReportingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often a face in view becomes an observation."""

    interval_s: PositiveSeconds = 1.0
    """One observation per face and interval, with the mean scores of its frames."""
    min_frames: Annotated[int, Meta(ge=1)] = 3
    """A face that appears in fewer frames of an interval is not reported: most false faces flicker."""
    still_face_s: Seconds = 600.0
    """A face of which nothing has changed for this long is a poster, a statue or a still screen: it is no longer
    reported until it changes. One that has never moved since the camera first saw it is not reported at all. 0 reports
    every face. Only for live cameras."""


class AgentSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `mien agent`."""

    device: DeviceName
    """Name of this device: lower-case letters, digits and hyphens."""
    model: str | None = None
    """Model file. If not set, or if the file is broken, the model that ships with mien."""
    outbox: str = "/var/lib/mien/outbox.db"
    """File that stores observations until a collector has acknowledged them."""
    outbox_max_rows: Annotated[int, Meta(ge=100)] = 500_000
    """Maximum number of rows; the default is six days of one face a second. A full outbox drops its oldest rows and
    tells the collector which."""
    outbox_max_mb: Annotated[int, Meta(ge=1)] = 400
    """Maximum size of the stored rows, with the same effect."""
    clock: Literal["ntp", "trusted"] = "ntp"
    """ntp: observations are marked as unsynced while nothing synchronizes the clock (systemd-timesyncd, chrony, ntpsec
    or PTP). trusted: the clock is always right (a clock chip, a demo)."""
    clock_wait_s: Seconds = 120.0
    """Observations made before the clock is synchronized wait up to this long after the agent's start to have their
    time corrected."""
    mqtt: MqttSettings = MqttSettings()
    """Connection to the MQTT broker."""
    motion: MotionSettings = PirSettings()
    """What wakes the agent."""
    camera: CameraSettings = RpicamSettings()
    """Where frames come from."""
    faces: FaceSettings = YuNetSettings()
    """How faces are detected, followed and cropped."""
    reporting: ReportingSettings = ReportingSettings()
    """How often a face in view becomes an observation."""

    def __post_init__(self) -> None:
        frames = self.camera.frames_per_second * self.reporting.interval_s
        if frames < self.reporting.min_frames:
            raise ValueError(f"reporting.min_frames is more than the {frames:g} frames of an interval")
