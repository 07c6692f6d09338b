"""The `[motion]` table of the agent's settings: a struct for each kind of motion sensor."""

from typing import Annotated

from msgspec import Meta, Struct

from mien.settings.quantities import PositiveFraction, PositiveSeconds, Seconds


class CommonMotionSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """The settings that every motion sensor has: how its signals become captures."""

    hold_s: Seconds = 10.0
    """Keep capturing this long after the last motion."""
    max_capture_s: PositiveSeconds = 300.0
    """End a capture after this long even if motion continues; the next one starts at once."""
    stuck_after_s: PositiveSeconds = 3600.0
    """A sensor that reports motion for this long without a pause counts as faulty, as does one that wakes the agent
    twelve times in a row at regular intervals or whose line goes high ten times in ten seconds. The health report says
    so, and captures are limited to 20 s."""
    silent_after_s: PositiveSeconds = 259_200.0
    """A sensor that has reported no motion for this long counts as faulty; the default is three days, which is longer
    than a weekend."""
    faulty_sensor_duty: PositiveFraction = 0.2
    """Fraction of the time that the camera may run while the sensor counts as faulty."""


class PirSettings(CommonMotionSettings, frozen=True, kw_only=True, tag="pir"):
    """A PIR sensor on a GPIO pin."""

    pin: Annotated[int, Meta(ge=0, le=27)] = 4
    """BCM number of the GPIO pin that the PIR's OUT wire is connected to."""
    warmup_s: Seconds = 60.0
    """Seconds after power-up during which the PIR is ignored; counted from boot, not from the agent's start."""
    debounce_s: Seconds = 0.0
    """PIR signals shorter than this are ignored; for loose wires or radio interference."""


class FrameDifferenceSettings(CommonMotionSettings, frozen=True, kw_only=True, tag="frame_difference"):
    """Changes between frames of the camera, which then stays open."""

    motion_threshold: PositiveFraction = 0.01
    """The fraction of the image that must change within a quarter of a second."""


class AlwaysOnSettings(CommonMotionSettings, frozen=True, kw_only=True, tag="always"):
    """Nothing; the agent captures all the time."""


class SimulatedMotionSettings(CommonMotionSettings, frozen=True, kw_only=True, tag="simulated"):
    """Motion at set times, for trying mien without a sensor."""

    intervals_s: list[tuple[Seconds, Seconds]]
    """Start and end of each movement, in seconds since the agent's start."""
    period_s: Seconds = 0.0
    """Repeat the movements with this period; 0 plays them once."""

    def __post_init__(self) -> None:
        times_s = [time_s for interval_s in self.intervals_s for time_s in interval_s]
        if times_s != sorted(times_s):
            raise ValueError("intervals_s is not in chronological order")
        if self.period_s and times_s and times_s[-1] > self.period_s:
            raise ValueError(f"period_s {self.period_s} is shorter than intervals_s")


MotionSettings = PirSettings | FrameDifferenceSettings | AlwaysOnSettings | SimulatedMotionSettings
