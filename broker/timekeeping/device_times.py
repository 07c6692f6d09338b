"""What time it is by the devices' clocks: one of them may be wrong, but hardly half of them."""

from statistics import median_low

MIN_DEVICES = 3
"""Fewer have no median that one wrong clock cannot move."""


class DeviceTimes:
    """The latest time that each device has reported from a synchronized clock."""

    def __init__(self) -> None:
        self._epoch_ms: dict[str, int] = {}
        """When the clock that never jumps was zero, by each device's newest time: old rows arrive late, so the highest
        counts."""

    def record(self, device: str, at_ms: int, monotonic_ms: int) -> None:
        """Record that a device observed something at `at_ms`, which arrived at `monotonic_ms`."""
        epoch_ms = at_ms - monotonic_ms
        self._epoch_ms[device] = max(epoch_ms, self._epoch_ms.get(device, epoch_ms))

    def median_ms(self, monotonic_ms: int) -> int | None:
        """A time that has come by the clocks of at least half of the devices; None if there are fewer than three."""
        if len(self._epoch_ms) < MIN_DEVICES:
            return None
        return median_low(self._epoch_ms.values()) + monotonic_ms
