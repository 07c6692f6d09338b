"""Takes observations from MQTT, commits them in batches and only then acknowledges them."""

import logging
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Literal
from uuid import UUID, uuid4

from mien import acknowledgement
from mien.acknowledgement import Acknowledgement, ranges
from mien.connection import Away, Connected, Connection, Event, Message, Received, Refused, TakenOver
from mien.errors import ConnectionRefused, DatabaseError
from mien.names import is_device_name
from mien.status import CollectorStatus, encode
from mien.topics import OBSERVATION, STATUS, Topics

from .arrival import Arrival, decode_arrival
from .device_state import State
from .home_assistant import HomeAssistant
from .metrics import Metrics
from .settings import CollectorSettings
from .store import Store

BATCH = 1000
BATCH_S = 0.25
"""A batch is committed when it is full or this old."""
QUEUE = 10_000
"""Events that may wait; what comes on top is dropped, since devices send it again."""
BUSY_AFTER_S = 5.0
"""Devices hear of a database that fails so long; a shorter while they need not notice."""
GAPS_S = 60.0
"""Between counts of what is missing: as often as devices say how they are."""
FORGET_S = 3600.0
"""Between searches for observations older than `retention_days`."""
DAY_MS = 86_400_000
LONGEST_STATE = 65_536
"""Bytes of what a device may say of itself; the real ones take a few hundred."""
RETRY_S = 1.0
"""Between attempts to commit while the database does not answer."""

log = logging.getLogger(__name__)


class Collector:
    """The loop from MQTT to the emotion log and back to the devices."""

    def __init__(self, settings: CollectorSettings, *, store: Store, metrics: Metrics) -> None:
        """ConfigurationError if a file that the settings name cannot be read."""
        self._settings = settings
        self._store = store
        self._metrics = metrics
        self._topics = Topics(settings.mqtt.root)
        self._overflow = 0
        self._gaps_s = -GAPS_S
        self._forgets_s = 0.0
        self._forgotten = 0
        self._instance = uuid4()
        self._state: Literal["online", "busy", "offline"] = "online"
        self._states: dict[tuple[str, str], State] = {}
        self._events: queue.Queue[Event] = queue.Queue(QUEUE)
        self._home = HomeAssistant(settings.home_assistant, self._topics) if settings.home_assistant else None
        self._own_topic = self._topics.collector_status(settings.name)
        observations = self._topics.observation("+")
        self._connection = Connection(
            settings.mqtt,
            client_id=f"mien-collector-{settings.name}",
            will=self._status("offline"),
            subscriptions=[
                self._topics.shared(observations) if settings.share else observations,
                self._topics.device_status("+"),  # not shared: a shared subscription gets nothing that is retained
                self._topics.device_health("+"),
                self._topics.device_motion("+"),
                self._own_topic,
            ],
            wishes=[self._home.status_topic] if self._home else [],
            events=self._events,
        )

    def run(self, stopping: threading.Event) -> None:
        """Collect until `stopping` is set. ConnectionRefused if the broker says no, or knows two by this name."""
        with self._connection:
            while not stopping.is_set():
                batch = self._gather(stopping)
                if batch:
                    self._commit(batch, stopping)
                if self._states:
                    self._note()
                self._forget()
            self._say("offline", wait_s=2.0)

    def _status(self, state: Literal["online", "busy", "offline"]) -> Message:
        status = CollectorStatus(state=state, instance=self._instance)
        return Message(self._own_topic, encode(status), retain=True)

    def _say(self, state: Literal["online", "busy", "offline"], *, wait_s: float = 0.0) -> None:
        self._state = state
        self._metrics.online.set(state == "online")
        self._connection.publish(self._status(state), wait_s=wait_s)

    def _publish(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._connection.publish(message)

    def _gather(self, stopping: threading.Event) -> list[Arrival]:
        """The arrivals of a quarter of a second, or a full batch; other events are dealt with on the way."""
        batch: list[Arrival] = []
        with suppress(queue.Empty):
            first = self._events.get(timeout=BATCH_S)
            if self._events.qsize() < BATCH:
                # Asleep until the batch is due: to be woken by every message costs as much as to store it.
                stopping.wait(BATCH_S)
            self._take(first, batch)
            while len(batch) < BATCH:
                self._take(self._events.get_nowait(), batch)
        if (overflow := self._connection.overflow - self._overflow) > 0:
            self._overflow += overflow
            self._metrics.overflow.inc(overflow)
            log.warning("%d messages came too fast and were left to be sent again", overflow)
        return batch

    def _take(self, event: Event, batch: list[Arrival]) -> None:
        match event:
            case Received(topic, payload):
                device, kind = self._topics.device_of(topic), self._topics.kind_of(topic)
                now_ms = time.time_ns() // 1_000_000
                if kind == OBSERVATION:
                    batch.append(decode_arrival(topic=topic, payload=payload, received_ms=now_ms, device=device))
                elif topic == self._own_topic:
                    if payload != self._status(self._state).payload:  # the last will of an earlier connection, say
                        self._say(self._state)
                elif self._home and topic == self._home.status_topic:
                    self._publish(self._home.greet(payload))
                elif is_device_name(device) and 0 < len(payload) <= LONGEST_STATE:  # `mien doctor` sends empty ones
                    self._states[device, kind] = State(payload, now_ms)
                    if self._home and kind == STATUS:
                        self._publish(self._home.meet(device, payload))
            case Connected():
                log.info("connected to %s:%d", *self._settings.mqtt.address)
                if self._home:
                    self._home.forget()
                self._say(self._state)
            case Refused(why) | TakenOver(why):
                raise ConnectionRefused(why)
            case Away(why):
                log.warning("%s", why)

    def _commit(self, batch: Sequence[Arrival], stopping: threading.Event) -> None:
        """Commit and acknowledge; while the database fails, say busy and try again. Devices keep what is theirs."""
        failing_since_s = None
        while True:
            begun_s = time.monotonic()
            try:
                outcome = self._store.record(batch)
                break
            except DatabaseError as error:
                log.error("%s; trying again", error)
                failing_since_s = failing_since_s or begun_s
                if self._state != "busy" and time.monotonic() - failing_since_s >= BUSY_AFTER_S:
                    self._say("busy")
                if stopping.wait(RETRY_S):
                    return
        if self._state != "online":
            self._say("online")
        self._acknowledge(batch, outcome.answers)
        self._metrics.committed(batch, outcome, time.monotonic() - begun_s)

    def _note(self) -> None:
        """Keep what devices said of themselves; where that fails, it is kept with what they say next."""
        try:
            self._store.note(self._states)
            if time.monotonic() - self._gaps_s >= GAPS_S:
                self._gaps_s = time.monotonic()
                for device, missing in self._store.gaps().items():
                    self._metrics.gaps.labels(device).set(missing)
        except DatabaseError as error:
            log.error("%s", error)
            return
        self._states.clear()

    def _forget(self) -> None:
        """Delete a batch of what is older than it may be, if there is any; then look again in an hour."""
        if not self._settings.retention_days or time.monotonic() < self._forgets_s:
            return
        before_ms = time.time_ns() // 1_000_000 - self._settings.retention_days * DAY_MS
        try:
            after = self._store.forget(before_ms, self._forgotten)
        except DatabaseError as error:
            log.error("old observations are not deleted yet: %s", error)
            after = None
        self._forgotten = after or 0
        if after is None:
            self._forgets_s = time.monotonic() + FORGET_S

    def _acknowledge(self, batch: Sequence[Arrival], answers: dict[UUID, str | None]) -> None:
        stored: dict[tuple[str, UUID], set[int]] = defaultdict(set)
        rejected: dict[tuple[str, UUID], dict[int, str]] = defaultdict(dict)
        for arrival in batch:
            if arrival.envelope is None:
                log.warning("rejected a message on %s: %s", arrival.topic, arrival.reason)
                continue
            reason = answers[arrival.envelope.id]
            sender = arrival.device, arrival.envelope.outbox
            if reason is None:
                stored[sender].add(arrival.envelope.seq)
            else:
                log.warning("rejected observation %s of %s: %s", arrival.envelope.id, arrival.device, reason)
                rejected[sender][arrival.envelope.seq] = reason
        for device, outbox in stored.keys() | rejected.keys():
            answer = Acknowledgement(
                outbox=outbox,
                stored=ranges(stored[device, outbox]),
                rejected=sorted(rejected[device, outbox].items()),
            )
            self._connection.publish(Message(self._topics.acknowledgement(device), acknowledgement.encode(answer)))
