"""Receives observations from MQTT, commits them in batches, and only then acknowledges them."""

import logging
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Literal
from uuid import UUID, uuid4

from mien.broker.settings import CollectorSettings
from mien.device_name import is_device_name
from mien.errors import ConnectionRefused, DatabaseError
from mien.messages.acknowledgement import Acknowledgement, encode_acknowledgement
from mien.messages.status import CollectorStatus, encode_collector_status
from mien.messages.topics import OBSERVATION, STATUS, Topics
from mien.mqtt.connection import Connection
from mien.mqtt.events import Connected, Disconnected, Event, Message, Received, Refused, TakenOver
from mien.mqtt.timings import DEFAULT_TIMINGS, ConnectionTimings
from mien.sequence_ranges import to_ranges

from .device_state import DeviceState, DeviceStates
from .home_assistant import HomeAssistant
from .message import IncomingMessage, decode_message
from .metrics import Metrics
from .store import Store

BATCH_SIZE = 1000
BATCH_S = 0.25
"""A batch is committed when it is full or this old."""
QUEUE_SIZE = 10_000
"""Events that may wait; messages beyond are dropped, because devices send them again."""
BUSY_AFTER_S = 5.0
"""How long the database must fail before devices are notified; shorter failures need not concern them."""
GAP_CHECK_S = 60.0
"""Between two counts of the gaps: as often as devices report their health."""
RETENTION_CHECK_S = 3600.0
"""Between two searches for observations older than `retention_days`."""
DAY_MS = 86_400_000
MAX_STATE_BYTES = 65_536
"""Size limit of a device's retained messages; real ones have a few hundred bytes."""
RETRY_S = 1.0
"""Between two attempts to commit while the database fails."""

CollectorState = Literal["online", "busy", "offline"]

log = logging.getLogger(__name__)


class Collector:
    """The loop from MQTT to the emotion log and back to the devices."""

    def __init__(
        self,
        settings: CollectorSettings,
        *,
        store: Store,
        metrics: Metrics,
        batch_s: float = BATCH_S,
        timings: ConnectionTimings = DEFAULT_TIMINGS,
    ) -> None:
        """ConfigurationError if a file named in the settings cannot be read."""
        self._settings = settings
        self._batch_s = batch_s
        self._store = store
        self._metrics = metrics
        self._topics = Topics(settings.mqtt.base_topic)
        self._dropped_messages = 0
        self._gaps_counted_s = -GAP_CHECK_S
        self._next_retention_s = 0.0
        self._retention_key = 0
        self._instance = uuid4()
        self._state: CollectorState = "online"
        self._device_states: DeviceStates = {}
        self._events: queue.Queue[Event] = queue.Queue(QUEUE_SIZE)
        self._home_assistant = (
            HomeAssistant(settings.discovery_prefix, self._topics) if settings.discovery_prefix else None
        )
        self._own_topic = self._topics.collector_status(settings.name)
        observations = self._topics.observation("+")
        self._connection = Connection(
            settings.mqtt,
            client_id=f"mien-collector-{settings.name}",
            will=self._status_message("offline"),
            subscriptions=[
                self._topics.shared_subscription(observations) if settings.shared_subscription else observations,
                self._topics.device_status("+"),  # not shared: shared subscriptions receive no retained messages
                self._topics.device_health("+"),
                self._topics.device_motion("+"),
                self._own_topic,
            ],
            optional_subscriptions=[self._home_assistant.status_topic] if self._home_assistant else [],
            events=self._events,
            timings=timings,
        )

    def run(self, stopping: threading.Event) -> None:
        """Collect until `stopping` is set.

        ConnectionRefused if the MQTT broker refuses the connection, or if another client uses this collector's name.
        """
        with self._connection:
            while not stopping.is_set():
                batch = self._collect_batch(stopping)
                if batch:
                    self._commit(batch, stopping)
                if self._device_states:
                    self._save_device_states()
                self._apply_retention()
            self._publish_status("offline", wait_s=2.0)

    def _status_message(self, state: CollectorState) -> Message:
        status = CollectorStatus(state=state, instance=self._instance)
        return Message(self._own_topic, encode_collector_status(status), retain=True)

    def _publish_status(self, state: CollectorState, *, wait_s: float = 0.0) -> None:
        self._state = state
        self._metrics.online.set(state == "online")
        self._connection.publish(self._status_message(state), wait_s=wait_s)

    def _publish_all(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._connection.publish(message)

    def _collect_batch(self, stopping: threading.Event) -> list[IncomingMessage]:
        """The messages of `batch_s`, or a full batch; other events are handled on the way."""
        batch: list[IncomingMessage] = []
        with suppress(queue.Empty):
            first = self._events.get(timeout=self._batch_s)
            if self._events.qsize() < BATCH_SIZE:
                # Sleep until the batch is due: waking up for every message costs as much as storing it.
                stopping.wait(self._batch_s)
            self._handle_event(first, batch)
            while len(batch) < BATCH_SIZE:
                self._handle_event(self._events.get_nowait(), batch)
        if (dropped := self._connection.dropped_messages - self._dropped_messages) > 0:
            self._dropped_messages += dropped
            self._metrics.overflow.inc(dropped)
            log.warning("%d messages were dropped because the queue is full; devices send them again", dropped)
        return batch

    def _handle_event(self, event: Event, batch: list[IncomingMessage]) -> None:
        match event:
            case Received(topic, payload):
                self._handle_message(topic, payload, batch)
            case Connected():
                log.info("connected to %s:%d", *self._settings.mqtt.address)
                if self._home_assistant:
                    self._home_assistant.reset()
                self._publish_status(self._state)
            case Refused(reason) | TakenOver(reason):
                raise ConnectionRefused(reason)
            case Disconnected(reason):
                log.warning("%s", reason)

    def _handle_message(self, topic: str, payload: bytes, batch: list[IncomingMessage]) -> None:
        device, kind = self._topics.device_of(topic), self._topics.kind_of(topic)
        now_ms = time.time_ns() // 1_000_000
        if kind == OBSERVATION:
            batch.append(decode_message(topic=topic, payload=payload, received_ms=now_ms, device=device))
        elif topic == self._own_topic:
            if payload != self._status_message(self._state).payload:  # for example an earlier connection's last will
                self._publish_status(self._state)
        elif self._home_assistant and topic == self._home_assistant.status_topic:
            self._publish_all(self._home_assistant.handle_status(payload))
        elif is_device_name(device) and 0 < len(payload) <= MAX_STATE_BYTES:  # `mien doctor` sends empty ones
            self._device_states[device, kind] = DeviceState(payload, now_ms)
            if self._home_assistant and kind == STATUS:
                self._publish_all(self._home_assistant.announce_device(device, payload))

    def _commit(self, batch: Sequence[IncomingMessage], stopping: threading.Event) -> None:
        """Commit and acknowledge; while the database fails, publish `busy` and retry: the devices keep their rows."""
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
                    self._publish_status("busy")
                if stopping.wait(RETRY_S):
                    return
        if self._state != "online":
            self._publish_status("online")
        self._acknowledge(batch, outcome.decisions)
        self._metrics.record_commit(batch, outcome, time.monotonic() - begun_s)

    def _save_device_states(self) -> None:
        """Store the devices' retained messages; if that fails, they are stored together with the next ones."""
        try:
            self._store.save_device_states(self._device_states)
            if time.monotonic() - self._gaps_counted_s >= GAP_CHECK_S:
                self._gaps_counted_s = time.monotonic()
                for device, missing in self._store.count_gaps().items():
                    self._metrics.gaps.labels(device).set(missing)
        except DatabaseError as error:
            log.error("%s", error)
            return
        self._device_states.clear()

    def _apply_retention(self) -> None:
        """Delete one batch of observations older than `retention_days`; once there are none, look again in an hour."""
        if not self._settings.retention_days or time.monotonic() < self._next_retention_s:
            return
        before_ms = time.time_ns() // 1_000_000 - self._settings.retention_days * DAY_MS
        try:
            after_key = self._store.delete_before(before_ms, self._retention_key)
        except DatabaseError as error:
            log.error("old observations could not be deleted yet: %s", error)
            after_key = None
        self._retention_key = after_key or 0
        if after_key is None:
            self._next_retention_s = time.monotonic() + RETENTION_CHECK_S

    def _acknowledge(self, batch: Sequence[IncomingMessage], decisions: dict[UUID, str | None]) -> None:
        stored: dict[tuple[str, UUID], set[int]] = defaultdict(set)
        rejected: dict[tuple[str, UUID], dict[int, str]] = defaultdict(dict)
        for message in batch:
            if message.envelope is None:
                log.warning("rejected a message on %s: %s", message.topic, message.reason_text)
                continue
            reason_text = decisions[message.envelope.id]
            sender = message.device, message.envelope.outbox
            if reason_text is None:
                stored[sender].add(message.envelope.seq)
            else:
                log.warning("rejected observation %s of %s: %s", message.envelope.id, message.device, reason_text)
                rejected[sender][message.envelope.seq] = reason_text
        for device, outbox in stored.keys() | rejected.keys():
            acknowledgement = Acknowledgement(
                outbox=outbox,
                stored=to_ranges(stored[device, outbox]),
                rejected=sorted(rejected[device, outbox].items()),
            )
            payload = encode_acknowledgement(acknowledgement)
            self._connection.publish(Message(self._topics.acknowledgement(device), payload))
