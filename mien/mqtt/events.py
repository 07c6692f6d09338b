"""The messages to publish, and the events that a connection reports."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """A message to publish at QoS 1, or at QoS 0 if the broker accepts no other or `at_most_once` is set."""

    topic: str
    payload: bytes
    retain: bool = False
    at_most_once: bool = False
    """For what is asked for again if it is lost: it takes no place among the unacknowledged messages."""
    content: str = ""
    """What it is, for a log line that says it could not be sent; if empty, the line names its topic."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker has accepted the connection and granted all required subscriptions."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker refused the connection or a subscription; the connection retries with growing delays."""

    reason: str


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Another client has connected with the same client ID, as an MQTT 5 broker says; the connection retries."""

    reason: str


@dataclass(frozen=True, slots=True)
class Suspected:
    """Several connections in a row were short: a broker that restarts, or another client with the same client ID.

    Neither MQTT 3.1.1 nor mosquitto before 2.0.15 says which. The connection retries.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """There is no connection, or it ended; the connection retries with growing delays."""

    reason: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message on a subscribed topic."""

    topic: str
    payload: bytes


Event = Connected | Refused | TakenOver | Suspected | Disconnected | Received


class EventSink(Protocol):
    """Where a connection puts its events, such as a `queue.Queue`; it calls both methods in its own threads."""

    def put(self, event: Event, /) -> None:
        """Add an event that must not be lost."""

    def put_nowait(self, event: Event, /) -> None:
        """Add an event without waiting; raises queue.Full if there is no room, which loses it."""
