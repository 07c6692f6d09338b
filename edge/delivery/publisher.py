"""Publishes the outbox's observations to a collector, and deletes only what the collector has committed."""

import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self, cast

import msgspec

from mien.device_name import agent_client_id
from mien.errors import DatabaseError
from mien.messages.acknowledgement import decode_acknowledgement
from mien.messages.health import Health, OutboxHealth, encode_health
from mien.messages.motion import MotionState, encode_motion
from mien.messages.status import CollectorStatus, DeviceStatus, decode_collector_status, encode_device_status
from mien.messages.topics import COLLECTORS, Topics
from mien.mqtt.connection import Connection
from mien.mqtt.events import Connected, Disconnected, Event, Message, Received, Refused, Suspected, TakenOver
from mien.mqtt.settings import MqttSettings
from mien.version import VERSION

from .clock import Clock
from .outbox import Outbox
from .row_publisher import RowPublisher
from .timings import DEFAULT_TIMINGS, PublisherTimings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OutboxChanged:
    """An event among those of the connection: there may be rows to publish."""


class Publisher:
    """A thread between the outbox and the MQTT broker; use as a context manager.

    Delivery is at least once: it resends each row until a collector's acknowledgement lists it. The collector stores
    each row once, by its id. So each row ends up in the log exactly once, whatever dies in between.
    """

    def __init__(
        self,
        settings: MqttSettings,
        *,
        device: str,
        model_id: str,
        outbox: Outbox,
        clock: Clock,
        clock_wait_s: float = 0.0,
        build_health: Callable[[OutboxHealth], Health] = lambda outbox: Health(outbox=outbox),
        heartbeat: Callable[[], None] = lambda: None,
        timings: PublisherTimings = DEFAULT_TIMINGS,
    ) -> None:
        """ConfigurationError if a file that the settings name cannot be read.

        Rows made before the clock is synchronized are held back for `clock_wait_s`, to have their time corrected.
        `build_health` adds the other parts to the outbox's health; the thread calls `heartbeat` in each iteration.
        """
        self._settings = settings
        self._device = device
        self._model_id = model_id
        self._outbox = outbox
        self._clock = clock
        self._clock_wait_end_s = time.monotonic() + clock_wait_s
        self._timings = timings
        self._build_health = build_health
        self._health_published_s = -math.inf
        self._is_health_cut = False
        self._publish_at_s = -math.inf
        """When to read the outbox: at once, at the next resend, or (math.inf) only after an event."""
        self._is_holding_back = False
        """Whether rows wait for the clock to be synchronized."""
        self._heartbeat = heartbeat
        self._motion: MotionState | None = None
        self._topics = Topics(settings.base_topic)
        self._collectors: dict[str, CollectorStatus] = {}
        self._events: queue.Queue[Event | OutboxChanged] = queue.Queue()
        self._connection = Connection(
            settings,
            client_id=agent_client_id(device),
            will=self._status_message("offline"),
            subscriptions=[self._topics.acknowledgement(device), self._topics.collector_status("+")],
            events=cast("queue.Queue[Event]", self._events),  # it only enqueues events
            timings=timings.connection,
        )
        self._rows = RowPublisher(outbox, self._connection, topic=self._topics.observation(device), timings=timings)
        self._connected = False
        self._closing = threading.Event()
        self._final_state: Literal["stopped", "offline"] = "stopped"
        self._drained = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def __enter__(self) -> Self:
        self._outbox.when_changed = self._wake
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._final_state = "offline" if kind else "stopped"
        self._closing.set()
        self._wake()
        self._thread.join()
        self._outbox.when_changed = lambda: None

    @property
    def is_collector_online(self) -> bool:
        """Whether a collector is connected to the MQTT broker, and so is this device."""
        return any(status.state == "online" for status in list(self._collectors.values()))

    def drain(self, timeout_s: float) -> bool:
        """Wait until a collector has acknowledged everything; False on timeout. Nothing is lost either way."""
        with self._drained:
            return self._drained.wait_for(lambda: self._outbox.count_waiting() == 0, timeout_s)

    def publish_motion(self, state: MotionState) -> None:
        """Publish a motion state, now and after each reconnect."""
        self._motion = state
        if self._connected:
            self._publish_motion(state)

    def _publish_motion(self, state: MotionState) -> None:
        self._connection.publish(Message(self._topics.device_motion(self._device), encode_motion(state), retain=True))

    def _wake(self) -> None:
        self._events.put(OutboxChanged())

    def _run(self) -> None:
        with self._connection:
            while not self._closing.is_set():
                self._heartbeat()
                try:
                    self._step()
                except DatabaseError as error:
                    log.error("%s; trying again", error)
                    self._closing.wait(self._timings.retry_s)
                except Exception:  # the thread must survive a bug, or nothing would ever be sent again
                    log.exception("the publisher continues after an unexpected error")
                    self._closing.wait(self._timings.retry_s)
            self._connection.publish(self._status_message(self._final_state), wait_s=2.0)

    def _step(self) -> None:
        with suppress(queue.Empty):
            self._handle(self._events.get(timeout=self._wait_s()))
            while True:
                self._handle(self._events.get_nowait())
        now_s = time.monotonic()
        if self._is_holding_back and (self._clock.state == "synced" or now_s >= self._clock_wait_end_s):
            self._publish_at_s = -math.inf
        if self.is_collector_online and now_s >= self._publish_at_s:
            self._publish_observations(now_s)
        if self._connected and now_s >= self._health_published_s + self._timings.health_interval_s:
            self._publish_health()

    def _wait_s(self) -> float:
        """How long there is nothing to do unless an event arrives."""
        now_s = time.monotonic()
        due_s = [now_s + self._timings.max_wait_s]
        if self.is_collector_online:
            due_s.append(self._publish_at_s)
            if self._is_holding_back:
                due_s.append(now_s + self._timings.clock_poll_s)
        if self._connected:
            due_s.append(self._health_published_s + self._timings.health_interval_s)
        return max(0.0, min(due_s) - now_s)

    def _publish_health(self) -> None:
        """Publish the health report; only the outbox's part if the MQTT broker does not accept more."""
        health = self._build_health(self._outbox.health(self._clock))
        payload = encode_health(health)
        topic = self._topics.device_health(self._device)
        limit_bytes = self._connection.max_payload_bytes(topic)
        if (is_cut := len(payload) > limit_bytes) and not self._is_health_cut:
            log.warning(
                "the health report contains only the outbox: a whole one needs %d bytes, and the MQTT broker accepts "
                "%d: raise its max_packet_size",
                len(payload),
                limit_bytes,
            )
        self._is_health_cut = is_cut
        if is_cut:
            payload = encode_health(Health(outbox=health.outbox))
        self._connection.publish(Message(topic, payload, retain=True, content="the health report"))
        self._health_published_s = time.monotonic()

    def _publish_state(self) -> None:
        """Publish what the MQTT broker retains: `online` last, because whoever sees that can then read the rest."""
        try:
            self._publish_health()
            if self._motion:
                self._publish_motion(self._motion)
        finally:
            self._connection.publish(self._status_message("online"))

    def _status_message(self, state: Literal["online", "stopped", "offline"]) -> Message:
        status = DeviceStatus(state=state, agent=VERSION, model=self._model_id)
        return Message(self._topics.device_status(self._device), encode_device_status(status), retain=True)

    def _handle(self, event: Event | OutboxChanged) -> None:
        match event:
            case Connected():
                log.info("connected to %s:%d", *self._settings.address)
                self._resend_everything()
                self._connected = True
                self._publish_state()
            case Refused(reason) | TakenOver(reason):
                log.error("%s", reason)
            case Suspected(reason):
                log.warning("%s", reason)
            case Disconnected(reason):
                log.warning("%s; observations wait in the outbox", reason)
                self._connected = False
                self._collectors.clear()
            case Received(topic, payload):
                try:
                    if topic == self._topics.acknowledgement(self._device):
                        self._rows.apply_acknowledgement(decode_acknowledgement(payload))
                        self._publish_at_s = -math.inf
                    elif topic.startswith(f"{self._topics.base_topic}/{COLLECTORS}/"):
                        self._update_collector(self._topics.collector_of(topic), decode_collector_status(payload))
                except msgspec.DecodeError as error:
                    log.warning("ignored an invalid message on %s: %s", topic, error)
            case OutboxChanged():
                self._publish_at_s = -math.inf
                with self._drained:
                    self._drained.notify_all()

    def _update_collector(self, collector: str, status: CollectorStatus) -> None:
        previous = self._collectors.get(collector)
        self._collectors[collector] = status
        if status.state == "online" and (previous is None or previous != status):
            log.info("collector %s is online", collector)
            self._resend_everything()
            if not self._connection.limits.has_retained_messages:  # the collector has missed it
                self._publish_state()

    @property
    def _accepts_batches(self) -> bool:
        """Whether every collector that may receive a message can read a batch: the release before could not."""
        return all(status.batch for status in list(self._collectors.values()) if status.state != "offline")

    def _resend_everything(self) -> None:
        self._rows.resend_everything()
        self._publish_at_s = -math.inf

    def _publish_observations(self, now_s: float) -> None:
        """Publish what is due, and set when to do so again."""
        finalized = self._outbox.finalize(self._clock, clock_wait_over=now_s >= self._clock_wait_end_s)
        self._is_holding_back = finalized.is_holding_back
        if finalized.first_seq is not None:
            self._rows.read_again_from(finalized.first_seq)
        self._publish_at_s = self._rows.publish(now_s, accepts_batches=self._accepts_batches)
