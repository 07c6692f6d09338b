"""The delay before the next connection: it grows while connections fail or end soon."""

import random

from mien.mqtt.timings import ConnectionTimings

SUSPICIOUS_SHORT_CONNECTIONS = 3
"""This many short connections, without a failed attempt between them, may mean a client with the same ID."""


class Backoff:
    """How the last attempts went."""

    def __init__(self, timings: ConnectionTimings) -> None:
        self._timings = timings
        self._delay_s = timings.first_retry_s
        self._short_connections = 0

    def record_failure(self) -> None:
        """An attempt has failed: the broker is away, which no other client causes."""
        self._short_connections = 0

    def record_end(self, *, is_short: bool) -> None:
        """A connection has ended."""
        if is_short:
            self._short_connections += 1
        else:
            self._short_connections = 0
            self._delay_s = self._timings.first_retry_s

    @property
    def is_suspicious(self) -> bool:
        """Whether the last connection was the one that raises the suspicion; it is raised once."""
        return self._short_connections == SUSPICIOUS_SHORT_CONNECTIONS

    def next_delay_s(self) -> float:
        """How long to wait now; the next delay is twice as long, up to the maximum."""
        delay_s = self._delay_s
        self._delay_s = min(self._timings.max_retry_s, delay_s * 2)
        return delay_s * random.uniform(0.5, 1.0)
