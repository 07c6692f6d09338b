"""How long the publisher waits, and for what."""

from dataclasses import dataclass

from mien.mqtt.timings import DEFAULT_TIMINGS as CONNECTION_TIMINGS
from mien.mqtt.timings import ConnectionTimings


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherTimings:
    """The delays and intervals of a publisher, in seconds; tests pass shorter ones."""

    first_resend_s: float = 15.0
    """A row that is not acknowledged is sent again after this long; the delay doubles each time."""
    max_resend_s: float = 120.0
    retry_s: float = 1.0
    """Delay before the next attempt if the outbox cannot be read or written, or the connection accepts no message."""
    health_interval_s: float = 60.0
    clock_poll_s: float = 0.1
    """While rows are held back: how often to check whether the clock is synchronized, which takes no query."""
    max_wait_s: float = 1.0
    """The longest time between two heartbeats while there is nothing to do."""
    connection: ConnectionTimings = CONNECTION_TIMINGS


DEFAULT_TIMINGS = PublisherTimings()
