"""Where the MQTT connection leaves what arrives, without ever waiting for the collector."""

import threading
from collections import Counter, deque

from mien.messages.topics import OBSERVATION, Topics
from mien.mqtt.events import Event, Received

from .fair_queue import MAX_WAITING_BYTES, FairQueue, Row

MAX_STATE_BYTES = 65_536
"""Size limit of a device's retained messages; real ones have a few hundred bytes."""
MAX_STATES = 1000
"""Topics of retained messages with news; beyond, they wait for the device's next report."""
MAX_KNOWN_TOPICS = 10_000


class Inbox:
    """The events of a connection, sorted: rows wait in a FairQueue, of each other topic only the newest message."""

    def __init__(self, topics: Topics, *, max_waiting_bytes: int = MAX_WAITING_BYTES) -> None:
        self._topics = topics
        self._rows = FairQueue(max_waiting_bytes)
        self._senders: dict[str, str | None] = {}
        """Topics seen, with the device if it is an observation topic."""
        self._changes: deque[Event] = deque()
        self._states: dict[str, Received] = {}
        self._lock = threading.Lock()
        self._has_arrived = threading.Event()

    def put(self, event: Event, /) -> None:
        """Add an event, or discard a row if its device sends too many."""
        if not isinstance(event, Received):
            self._changes.append(event)
        elif (device := self._sender_of(event.topic)) is not None:
            self._rows.put(Row(device, event.topic, event.payload))
        else:
            self._put_state(event)
        if not self._has_arrived.is_set():
            self._has_arrived.set()

    put_nowait = put

    @property
    def waiting_rows(self) -> int:
        """How many messages with rows wait."""
        return len(self._rows)

    def wait(self, timeout_s: float) -> bool:
        """Wait until there is something; False if nothing came in time."""
        return self.waiting_rows > 0 or self._has_arrived.wait(timeout_s)

    def take_events(self) -> list[Event]:
        """What happened to the connection, in order, then the newest message on each topic that has no rows."""
        self._has_arrived.clear()
        changes = [self._changes.popleft() for _ in range(len(self._changes))]
        with self._lock:
            states, self._states = self._states, {}
        return [*changes, *states.values()]

    def take_rows(self, max_rows: int) -> list[Row]:
        """Up to `max_rows` rows, shared among the devices that have any; see `FairQueue.take`."""
        return self._rows.take(max_rows)

    def take_discarded(self) -> Counter[str]:
        """How many rows of each device were discarded since the last call."""
        return self._rows.take_discarded()

    def _sender_of(self, topic: str) -> str | None:
        try:
            return self._senders[topic]
        except KeyError:
            if len(self._senders) >= MAX_KNOWN_TOPICS:
                self._senders.clear()
            is_observation = self._topics.kind_of(topic) == OBSERVATION
            return self._senders.setdefault(topic, self._topics.device_of(topic) if is_observation else None)

    def _put_state(self, message: Received) -> None:
        if len(message.payload) <= MAX_STATE_BYTES:
            with self._lock:
                if message.topic in self._states or len(self._states) < MAX_STATES:
                    self._states[message.topic] = message
