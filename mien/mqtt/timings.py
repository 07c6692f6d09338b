"""How long an MQTT connection waits, and for what."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTimings:
    """The delays of a connection, in seconds; the defaults suit any network, tests pass shorter ones."""

    connect_timeout_s: float = 10.0
    """For the TCP connection and the TLS handshake."""
    subscribe_timeout_s: float = 5.0
    """A broker that has not granted the subscriptions by then does not support this version of MQTT, or hangs."""
    acknowledgement_timeout_s: float = 60.0
    """A broker that acknowledges nothing for this long, though messages wait for it, has lost the acknowledgements, as
    mosquitto does with whatever it sends to a client whose queue is full; they never come, and only a new connection
    helps. The largest message, a batch of 48 KiB, takes less on a line of 1 KB/s."""
    short_connection_s: float = 5.0
    """A connection that ends within this time counts as a failure; several in a row may mean another client with the
    same client ID."""
    first_retry_s: float = 1.0
    """Delay before the first retry; it doubles with each failure and each short connection. A random part of up to a
    half is left out."""
    max_retry_s: float = 60.0


DEFAULT_TIMINGS = ConnectionTimings()
