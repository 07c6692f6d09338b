"""The messages to publish, and the events that a connection reports."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """A message to publish at QoS 1."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker has accepted the connection and granted all required subscriptions."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker refused the connection or a subscription; the connection retries with growing delays."""

    reason: str


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Another client connects with the same client ID, so that each disconnects the other; the connection retries."""

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


Event = Connected | Refused | TakenOver | Disconnected | Received
