"""Carries observations from the outbox to a collector and deletes only what the collector has committed."""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

import msgspec

from mien import acknowledgement
from mien.acknowledgement import Acknowledgement
from mien.connection import Away, Connected, Connection, Event, Message, Received, Refused, TakenOver
from mien.envelope import decode_envelope
from mien.errors import DatabaseError
from mien.health import Health, OutboxHealth
from mien.health import encode as encode_health
from mien.motion import MotionState
from mien.motion import encode as encode_motion
from mien.mqtt import Mqtt
from mien.status import CollectorStatus, DeviceStatus, decode_collector_status
from mien.status import encode as encode_status
from mien.topics import COLLECTORS, Topics
from mien.version import VERSION

from .clock import Clock
from .outbox import Outbox

HEALTH_S = 60.0
WINDOW = 100
"""Observations in flight at most."""
FIRST_RESEND_S = 15.0
LONGEST_RESEND_S = 120.0
RETRY_S = 1.0
"""Before the next attempt while the outbox cannot be read or written."""
POLL_S = 0.1
"""How long a new observation may wait in the outbox before the uplink looks."""

log = logging.getLogger(__name__)


class Uplink:
    """A thread between the outbox and the MQTT broker; use as a context manager.

    At least once: it sends each row again until a collector's acknowledgement lists it. The collector stores a row
    once, by its id. So each row ends exactly once in the log, whatever dies in between.
    """

    def __init__(
        self,
        settings: Mqtt,
        *,
        device: str,
        model_id: str,
        outbox: Outbox,
        clock: Clock,
        clock_wait_s: float = 0.0,
        health: Callable[[OutboxHealth], Health] = lambda outbox: Health(outbox=outbox),
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """ConfigurationError if a file that the settings name cannot be read.

        Rows made before the clock is set stay back for `clock_wait_s`, to get their right time. `health` adds to the
        outbox's what else there is to say; `beat` is called while the thread goes round.
        """
        self._settings = settings
        self._device = device
        self._model_id = model_id
        self._outbox = outbox
        self._outbox_id = outbox.id
        self._clock = clock
        self._clock_ends_s = time.monotonic() + clock_wait_s
        self._health = health
        self._health_s = 0.0
        self._beat = beat
        self._motion: MotionState | None = None
        self._topics = Topics(settings.root)
        self._collectors: dict[str, CollectorStatus] = {}
        self._in_flight: dict[int, tuple[float, float]] = {}
        """When each row is sent again if nothing comes back, and the wait after that, by `seq`."""
        self._published: set[int] = set()
        """Sent since this start and not yet answered; other numbers in an acknowledgement are not believed."""
        self._events: queue.Queue[Event] = queue.Queue()
        self._connection = Connection(
            settings,
            client_id=f"mien-{device}",
            will=self._status("offline"),
            subscriptions=[self._topics.acknowledgement(device), self._topics.collector_status("+")],
            events=self._events,
        )
        self._connected = False
        self._closing = threading.Event()
        self._last_state: Literal["stopped", "offline"] = "stopped"
        self._drained = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._last_state = "offline" if kind else "stopped"
        self._closing.set()
        self._thread.join()

    def drain(self, timeout_s: float) -> bool:
        """Wait until a collector has everything; False if it has not by then. Nothing is lost either way."""
        with self._drained:
            return self._drained.wait_for(lambda: self._outbox.depth() == 0, timeout_s)

    def tell_motion(self, state: MotionState) -> None:
        """Say that something moves, or no more; said again when the broker comes back."""
        self._motion = state
        if self._connected:
            self._publish_motion(state)

    def _publish_motion(self, state: MotionState) -> None:
        self._connection.publish(Message(self._topics.device_motion(self._device), encode_motion(state), retain=True))

    def _run(self) -> None:
        with self._connection:
            while not self._closing.is_set():
                self._beat()
                try:
                    self._step()
                except DatabaseError as error:
                    log.error("%s; trying again", error)
                    self._closing.wait(RETRY_S)
                except Exception:  # the thread must outlive a bug, or nothing would ever be sent again
                    log.exception("the uplink goes on after an error of its own")
                    self._closing.wait(RETRY_S)
            self._connection.publish(self._status(self._last_state), wait_s=2.0)

    def _step(self) -> None:
        with suppress(queue.Empty):
            self._take(self._events.get(timeout=POLL_S))
            while True:
                self._take(self._events.get_nowait())
        self._send()
        if self._connected and time.monotonic() - self._health_s >= HEALTH_S:
            self._report()

    def _report(self) -> None:
        health = self._health(self._outbox.health(self._clock))
        self._connection.publish(Message(self._topics.device_health(self._device), encode_health(health), retain=True))
        self._health_s = time.monotonic()

    def _status(self, state: Literal["online", "stopped", "offline"]) -> Message:
        status = DeviceStatus(state=state, agent=VERSION, model=self._model_id)
        return Message(self._topics.device_status(self._device), encode_status(status), retain=True)

    def _take(self, event: Event) -> None:
        match event:
            case Connected():
                log.info("connected to %s:%d", *self._settings.address)
                self._in_flight.clear()
                self._connected = True
                try:
                    self._report()  # before `online`: who sees that can read the rest
                    if self._motion:
                        self._publish_motion(self._motion)
                finally:
                    self._connection.publish(self._status("online"))
            case Refused(why) | TakenOver(why):
                log.error("%s", why)
            case Away(why):
                log.warning("%s; observations wait in the outbox", why)
                self._connected = False
                self._collectors.clear()
            case Received(topic, payload):
                try:
                    if topic == self._topics.acknowledgement(self._device):
                        self._settle(acknowledgement.decode(payload))
                    elif topic.startswith(f"{self._topics.root}/{COLLECTORS}/"):
                        self._note(self._topics.collector_of(topic), decode_collector_status(payload))
                except msgspec.DecodeError as error:
                    log.warning("cannot read what came on %s: %s", topic, error)

    def _note(self, collector: str, status: CollectorStatus) -> None:
        before = self._collectors.get(collector)
        self._collectors[collector] = status
        if status.state == "online" and (before is None or before != status):
            log.info("collector %s is online", collector)
            self._in_flight.clear()

    def _settle(self, answer: Acknowledgement) -> None:
        if answer.outbox != self._outbox.id:
            return
        stored = [seq for seq in self._published if any(first <= seq <= last for first, last in answer.stored)]
        refused = [(seq, reason) for seq, reason in answer.rejected if seq in self._published]
        for seq, reason in refused:
            log.error("the collector rejects observation %d: %s", seq, reason)
        self._outbox.stored(stored)
        self._outbox.refused(refused)
        for seq in [*stored, *(seq for seq, _ in refused)]:
            self._published.discard(seq)
            self._in_flight.pop(seq, None)
        with self._drained:
            self._drained.notify_all()

    def _send(self) -> None:
        if not any(status.state == "online" for status in self._collectors.values()):
            return
        now_s = time.monotonic()
        self._outbox.release(self._clock, waited=now_s >= self._clock_ends_s)
        if self._outbox.id != self._outbox_id:  # the file was damaged and is a new one, which counts anew
            self._outbox_id = self._outbox.id
            self._published.clear()
            self._in_flight.clear()
        for seq, payload in self._outbox.ready(WINDOW):
            due_s, wait_s = self._in_flight.get(seq, (now_s, FIRST_RESEND_S))
            if due_s > now_s:
                continue
            if seq not in self._published and (flaw := _flaw(payload)):
                log.error("observation %d in the outbox is damaged: %s", seq, flaw)
                self._outbox.refused([(seq, flaw)])
                continue
            self._published.add(seq)
            if not self._connection.publish(Message(self._topics.observation(self._device), payload)):
                return
            self._in_flight[seq] = (now_s + wait_s * random.uniform(0.8, 1.2), min(LONGEST_RESEND_S, wait_s * 2))


def _flaw(payload: bytes) -> str:
    """What is wrong with a row that no collector could answer; empty if nothing is."""
    try:
        decode_envelope(payload)
    except msgspec.DecodeError as error:
        return str(error)
    return ""
