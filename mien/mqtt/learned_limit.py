"""The size of packets that a broker refuses although it announced no limit: MQTT 3.1.1 has no means to."""

import time
from collections.abc import Callable

from mien.mqtt.limits import MAX_PACKET_BYTES

MIN_PACKET_BYTES = 1024
"""No smaller limit is assumed: an observation needs about 600 bytes."""
SUSPICIONS = 2
"""This many connections in a row must end while a packet is being sent that was not acknowledged."""
EXPIRY_S = 3600.0
"""After this long the full size is tried again: the cause may have been another, or the broker's limit was raised."""


class LearnedLimit:
    """What a broker's refusals say about its limit, which is assumed to be no less than MIN_PACKET_BYTES."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._learned: tuple[int, float] | None = None
        """The limit and when it was assumed, in one value: two threads use it."""
        self._suspicions = 0

    @property
    def max_packet_bytes(self) -> int:
        """The assumed limit; MAX_PACKET_BYTES if nothing speaks for a smaller one."""
        learned = self._learned
        if learned is None or self._monotonic_s() - learned[1] >= EXPIRY_S:
            return MAX_PACKET_BYTES
        return learned[0]

    def refuse(self, packet_bytes: int) -> bool:
        """The broker has refused a packet for its size: half of it may be accepted. False if it was a small one."""
        return self._reduce(packet_bytes, 2)

    def suspect(self, packet_bytes: int) -> bool:
        """A short connection ended without a reason; its largest unacknowledged packet had this size, or 0.

        True if that has happened often enough to assume a limit: an eighth of it, because another wrong guess would
        cost two more connections.
        """
        if packet_bytes <= MIN_PACKET_BYTES:
            self._suspicions = 0
            return False
        self._suspicions += 1
        if self._suspicions < SUSPICIONS:
            return False
        return self._reduce(packet_bytes, 8)

    def trust(self) -> None:
        """A connection has lived long: what ended the ones before was not a size."""
        self._suspicions = 0

    def _reduce(self, packet_bytes: int, divisor: int) -> bool:
        self._suspicions = 0
        if packet_bytes <= MIN_PACKET_BYTES:
            return False
        smaller_bytes = min(self.max_packet_bytes, packet_bytes) // divisor
        self._learned = max(MIN_PACKET_BYTES, smaller_bytes), self._monotonic_s()
        return True
