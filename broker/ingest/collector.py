"""Receives observations from MQTT, commits them in batches, and only then acknowledges them."""

import logging
import threading
import time
from collections.abc import Iterable, Sequence

from mien.broker.database.encoding import to_epoch_ms
from mien.broker.intake.acknowledgements import Acknowledgements
from mien.broker.intake.deferred_rows import DeferredRows
from mien.broker.intake.device_log import DeviceLog
from mien.broker.intake.discarded_rows import DiscardedRows
from mien.broker.intake.erased_devices import ErasedDevices
from mien.broker.intake.fair_queue import MAX_WAITING_BYTES
from mien.broker.intake.inbox import Inbox
from mien.broker.intake.own_status import BusyReason, CollectorState, OwnStatus
from mien.broker.settings import CollectorSettings
from mien.broker.timekeeping.certificate_watch import CertificateWatch
from mien.broker.timekeeping.retention_schedule import RetentionSchedule
from mien.broker.timekeeping.server_clock import ServerClock
from mien.broker.timekeeping.timekeeper import Timekeeper
from mien.device_name import collector_client_id, is_device_name
from mien.errors import ConnectionRefused, DatabaseError
from mien.messages.observation import Observation
from mien.messages.topics import STATUS, Topics
from mien.mqtt.connection import Connection
from mien.mqtt.events import Connected, Disconnected, Event, Message, Received, Refused, Suspected, TakenOver
from mien.mqtt.timings import DEFAULT_TIMINGS, ConnectionTimings

from .device_state import DeviceState, DeviceStates
from .home_assistant import HomeAssistant
from .message import IncomingMessage, MessageKey, decode_message, to_printable
from .metrics import Metrics
from .retention import START, Position
from .store import Store

BATCH_SIZE = 2000
"""Rows of one commit; a row of a backlog costs a sixth more with half as many (benchmarks/collector.py)."""
BATCH_S = 0.25
"""A batch is committed when it is full or this old."""
BUSY_AFTER_S = 5.0
"""How long the database must fail before devices are notified; shorter failures need not concern them."""
GAP_CHECK_S = 60.0
"""Between two counts of the gaps: as often as devices report their health."""
CLEARING_CHECK_S = 60.0
"""Between two searches for erased devices whose retained messages are to be cleared."""
RETRY_S = 1.0
"""Between two attempts to commit while the database fails."""

log = logging.getLogger(__name__)


class Collector:
    """The loop from MQTT to the emotion log and back to the devices."""

    def __init__(
        self,
        settings: CollectorSettings,
        *,
        store: Store,
        metrics: Metrics,
        server_clock: ServerClock | None = None,
        batch_s: float = BATCH_S,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
        timings: ConnectionTimings = DEFAULT_TIMINGS,
    ) -> None:
        """`server_clock` is by default this machine's. ConfigurationError if a file named in the settings cannot be
        read."""
        self._settings = settings
        self._batch_s = batch_s
        self._store = store
        self._metrics = metrics
        self._topics = Topics(settings.mqtt.base_topic)
        self._gaps_counted_s = -GAP_CHECK_S
        self._clock = server_clock or ServerClock(settings.clock)
        self._timekeeper = Timekeeper(self._clock, store)
        self._certificates = CertificateWatch(
            settings.mqtt, monotonic_s=lambda: self._clock.monotonic_ms() / 1000, wall_ms=self._clock.wall_ms
        )
        self._retention = RetentionSchedule[Position](
            retention_days=settings.retention_days,
            rollup_retention_days=settings.rollup_retention_days,
            start=START,
            delete_before=store.delete_before,
            monotonic_s=lambda: self._clock.monotonic_ms() / 1000,
        )
        self._own = OwnStatus(settings.name, self._topics)
        self._failing_since_s: float | None = None
        """Since when the database has failed."""
        self._device_states: DeviceStates = {}
        self._is_flooded = False
        """Whether a device lately sent more rows than can wait."""
        self._inbox = Inbox(self._topics, max_waiting_bytes=max_waiting_bytes)
        self._deferred = DeferredRows[IncomingMessage]()
        self._erased_devices = ErasedDevices(self._topics)
        self._next_clearing_s = 0.0
        self._rejected_log = DeviceLog(log, "rejected messages of %(device)s: %(count)d, the last because: %(detail)s")
        self._unconfirmed_log = DeviceLog(
            log,
            "not answered yet, messages of %(device)s: %(count)d, the last because: %(detail)s, "
            'which nothing confirms; see `timedatectl`, or set clock = "trusted" if it is right',
        )
        self._discarded_rows = DiscardedRows(lambda rows: store.save_discarded(rows, self._clock.wall_ms()))
        self._home_assistant = (
            HomeAssistant(settings.discovery_prefix, self._topics) if settings.discovery_prefix else None
        )
        observations = self._topics.observation("+")
        if settings.shared_subscription and settings.shared_group:
            observations = self._topics.shared_subscription(settings.shared_group, observations)
        self._connection = Connection(
            settings.mqtt,
            client_id=collector_client_id(settings.name),
            will=self._own.will,
            subscriptions=[
                observations,
                self._topics.device_status("+"),  # not shared: shared subscriptions receive no retained messages
                self._topics.device_health("+"),
                self._topics.device_motion("+"),
                self._own.topic,
            ],
            # At QoS 1 mosquitto, once its queue is full, gives each place that an acknowledgement frees to a flooder.
            at_most_once=[observations],
            optional_subscriptions=[self._home_assistant.status_topic] if self._home_assistant else [],
            events=self._inbox,
            timings=timings,
        )

    def run(self, stopping: threading.Event) -> None:
        """Collect until `stopping` is set.

        ConnectionRefused if the MQTT broker refuses the connection, or if another client uses this collector's name.
        """
        with self._connection:
            while not stopping.is_set():
                batch = self._judgeable(self._collect_batch(stopping))
                if batch:
                    self._commit(batch, stopping)
                self._save_states()
                self._report_discarded()
                self._rejected_log.write()
                self._unconfirmed_log.write()
                if expiries := self._certificates.check(self._connection.broker_certificate):
                    self._metrics.record_expiries(expiries)
                self._retention.run(self._clock.retention_ms)
            self._publish_status("offline", wait_s=2.0)
            self._save_states(is_last=True)
            self._report_discarded(is_last=True)
            self._rejected_log.write(is_last=True)
            self._unconfirmed_log.write(is_last=True)
            self._retention.write_log()
            self._timekeeper.save()

    def _publish_status(self, state: CollectorState, reason: BusyReason = "", *, wait_s: float = 0.0) -> None:
        self._own.change(state, reason)
        self._metrics.record_state(self._own.status)
        self._connection.publish(self._own.message, wait_s=wait_s)

    def _publish_all(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._connection.publish(message)

    def _collect_batch(self, stopping: threading.Event) -> list[IncomingMessage]:
        """The rows of `batch_s`, or a full batch, after those deferred; other events are handled on the way."""
        if not self._inbox.wait(self._batch_s):
            return list(self._deferred.take())
        if self._inbox.waiting_rows < BATCH_SIZE or self._is_flooded:
            # Sleep until the batch is due: waking up for every message costs as much as storing it. In a flood, reading
            # comes first: what the MQTT broker discards as its queue is full is not the flooder's alone.
            stopping.wait(self._batch_s)
        for event in self._inbox.take_events():
            self._handle_event(event)
        now_ms = self._clock.wall_ms()
        rows = self._inbox.take_rows(BATCH_SIZE - len(self._deferred))
        return [
            *self._deferred.take(),
            *(
                decode_message(topic=topic, payload=payload, received_ms=now_ms, device=device)
                for device, topic, payload in rows
            ),
        ]

    def _handle_event(self, event: Event) -> None:
        match event:
            case Received(topic, payload):
                self._handle_state(topic, payload)
            case Connected():
                log.info("connected to %s:%d", *self._settings.mqtt.address)
                self._next_clearing_s = 0.0
                if self._home_assistant:
                    self._home_assistant.reset()
                self._publish_status(self._own.state, self._own.reason)
            case Refused(reason) | TakenOver(reason):
                raise ConnectionRefused(reason)
            case Disconnected(reason) | Suspected(reason):
                log.warning("%s", reason)

    def _handle_state(self, topic: str, payload: bytes) -> None:
        """A retained message of a device, of Home Assistant, or of this collector."""
        device, kind = self._topics.device_of(topic), self._topics.kind_of(topic)
        if topic == self._own.topic:
            self._own.look_for_namesake(payload)
            if payload != self._own.message.payload:  # for example an earlier connection's last will
                self._connection.publish(self._own.message)
        elif self._home_assistant and topic == self._home_assistant.status_topic:
            self._publish_all(self._home_assistant.handle_status(payload))
        elif is_device_name(device) and not payload:  # from `_clear_erased_devices`, or from `mien doctor`
            self._erased_devices.confirm(device, kind, self._clock.wall_ms())
            if kind == STATUS:
                self._metrics.devices.forget(device)
            if self._home_assistant and kind == STATUS:
                self._home_assistant.forget_device(device)
        elif is_device_name(device):
            self._device_states[device, kind] = state = DeviceState(payload, self._clock.wall_ms())
            self._metrics.devices.record(device, kind, state.payload, state.received_ms)
            if kind == STATUS and not self._connection.limits.has_retained_messages:
                # The device has just connected, and the broker has kept nothing for it.
                self._connection.publish(self._own.message)
            if self._home_assistant and kind == STATUS:
                self._publish_all(self._home_assistant.announce_device(device, payload))

    def _commit(self, batch: Sequence[IncomingMessage], stopping: threading.Event) -> None:
        """Commit and acknowledge; while the database fails, publish `busy` and retry: the devices keep their rows."""
        while True:
            begun_s = time.monotonic()
            try:
                outcome = self._store.record(batch, urgent=self._deferred.urgent_devices)
                break
            except DatabaseError as error:
                log.error("%s; trying again", error)
                self._failing_since_s = self._failing_since_s or begun_s
                if self._own.state != "busy" and time.monotonic() - self._failing_since_s >= BUSY_AFTER_S:
                    self._publish_status("busy", "database")
                if stopping.wait(RETRY_S):
                    return
        self._failing_since_s = None
        if self._own.state != "online":
            self._publish_status("online")
        self._deferred.keep(outcome.deferred)
        if outcome.deferred:
            devices = {message.device for message in outcome.deferred}
            batch = [message for message in batch if message.device not in devices]
        self._acknowledge(batch, outcome.decisions)
        self._metrics.record_commit(batch, outcome, time.monotonic() - begun_s)

    def _save_states(self, *, is_last: bool = False) -> None:
        """Write what goes beside the rows; from the first failure on, the next round does: a locked log makes each
        attempt wait, and rows come first."""
        begun_s = time.monotonic()
        try:
            self._save_collector_state()
            self._save_device_states(is_last=is_last)
            self._clear_erased_devices()
        except DatabaseError as error:
            log.error("%s", error)
            self._failing_since_s = self._failing_since_s or begun_s
        else:
            self._failing_since_s = None

    def _save_device_states(self, *, is_last: bool) -> None:
        """Store the devices' retained messages, and count the gaps when that is due."""
        if not self._device_states:
            return
        self._device_states = self._store.save_device_states(self._device_states, is_urgent=is_last)
        if time.monotonic() - self._gaps_counted_s >= GAP_CHECK_S:
            self._gaps_counted_s = time.monotonic()
            for device, missing in self._store.count_gaps().items():
                self._metrics.gaps.labels(device).set(missing)

    def _clear_erased_devices(self) -> None:
        """Clear once a minute what the MQTT broker retains of wholly erased devices."""
        for device, cleared_ms in self._erased_devices.take_cleared().items():
            self._store.mark_cleared(device, cleared_ms)
        if time.monotonic() < self._next_clearing_s:
            return
        self._next_clearing_s = time.monotonic() + CLEARING_CHECK_S
        devices = self._store.find_uncleared()
        messages = self._erased_devices.clear(devices)
        if self._home_assistant:
            messages += [self._home_assistant.forget_device(device) for device in devices]
        accepted = [self._connection.publish(message) for message in messages]
        if not all(accepted):
            self._erased_devices.start_over()

    def _check_clock(self) -> None:
        """Publish `busy` while the server's clock is so far behind that good messages would be rejected by it."""
        is_behind = self._timekeeper.check() == "behind"
        if is_behind and self._own.reason != "clock":
            self._publish_status("busy", "clock")
        elif not is_behind and self._own.reason == "clock":
            self._publish_status("online")

    def _judgeable(self, batch: Sequence[IncomingMessage]) -> list[IncomingMessage]:
        """What can be stored or rejected now; the rest remains unanswered, so that its devices send it again.

        That is all messages if the clock is behind, and those from the future if nothing confirms that it is right.
        """
        # The envelope is an observation also where the message is rejected for its time.
        newest = {message.device: message.envelope for message in batch if message.is_numbered}
        for device, envelope in newest.items():
            if isinstance(envelope, Observation) and envelope.clock == "synced":
                self._clock.record_device_time(device, to_epoch_ms(envelope.at))
        self._check_clock()
        if self._own.reason == "clock":
            return []
        ahead = [message for message in batch if message.reject_reason == "clock"]
        if not ahead or self._clock.is_confirmed:
            return list(batch)
        for message in ahead:
            self._unconfirmed_log.add(to_printable(message.device), 1, message.reason_text)
        return [message for message in batch if message.reject_reason != "clock"]

    def _save_collector_state(self) -> None:
        """Write a changed state into the log."""
        if not self._own.is_saved:
            self._store.save_collector_state(self._settings.name, self._own.status, self._clock.wall_ms())
            self._own.is_saved = True

    def _report_discarded(self, *, is_last: bool = False) -> None:
        """Name the devices that send too much: in the metrics at once, in the logs about once a minute."""
        discarded = self._inbox.take_discarded()
        self._is_flooded = bool(discarded)
        for device, count in discarded.items():
            name = to_printable(device)
            self._metrics.discarded.labels(name).inc(count)
            self._discarded_rows.add(name, count)
        self._discarded_rows.report(is_last=is_last)

    def _acknowledge(self, batch: Sequence[IncomingMessage], decisions: dict[MessageKey, str | None]) -> None:
        """Acknowledge what is committed, and count what is rejected for the log."""
        acknowledgements = Acknowledgements()
        for message in batch:
            reason_text: str | None = message.reason_text
            if (envelope := message.envelope) is not None:
                reason_text = decisions[message.device, envelope.id]
                acknowledgements.add(message.device, envelope.outbox, envelope.seq, reason_text)
            if reason_text is not None:
                self._rejected_log.add(to_printable(message.device), 1, reason_text)
        self._publish_all(acknowledgements.to_messages(self._topics, self._connection.max_payload_bytes))
