"""An MQTT connection that reconnects by itself and reports everything that happens as events in one queue."""

import logging
import queue
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from mien.mqtt.backoff import Backoff
from mien.mqtt.client import ClientFactory, MqttClient, is_version_refused
from mien.mqtt.events import Connected, Disconnected, EventSink, Message, Received, Refused, Suspected, TakenOver
from mien.mqtt.failure import describe_failure
from mien.mqtt.limits import MAX_PACKET_BYTES, BrokerLimits
from mien.mqtt.outgoing import Outgoing
from mien.mqtt.reasons import (
    QOS_NOT_SUPPORTED,
    RETAIN_NOT_SUPPORTED,
    SESSION_TAKEN_OVER,
    SUBSCRIPTION_FIXES,
    TEMPORARY_REFUSALS,
    describe_end,
)
from mien.mqtt.settings import MqttSettings
from mien.mqtt.timings import DEFAULT_TIMINGS, ConnectionTimings

log = logging.getLogger(__name__)


class Connection:
    """One client that connects, subscribes and reconnects until it is closed; use as a context manager.

    Every session starts clean: mien relies on nothing that the broker stores. All events go into `events`; if that
    queue is bounded and full, messages are dropped and counted in `dropped_messages`, since their senders resend them.
    """

    def __init__(
        self,
        settings: MqttSettings,
        *,
        client_id: str,
        will: Message,
        subscriptions: Sequence[str],
        optional_subscriptions: Sequence[str] = (),
        at_most_once: Collection[str] = (),
        events: EventSink,
        timings: ConnectionTimings = DEFAULT_TIMINGS,
    ) -> None:
        """It works without the `optional_subscriptions`, too: whether the broker grants them is not checked.
        The broker delivers messages `at_most_once` (QoS 0) on those of the subscriptions, without waiting for an
        acknowledgement of each.

        ConfigurationError if the password file or a certificate cannot be read.
        """
        self.dropped_messages = 0
        self.broker_certificate: bytes | None = None
        """In DER; None without TLS or before the first connection."""
        self._settings = settings
        self._clients = ClientFactory(settings)
        self._client_id = client_id
        self._will = will
        self._subscriptions = subscriptions
        self._optional_subscriptions = optional_subscriptions
        self._at_most_once = at_most_once
        self._events = events
        self._timings = timings
        self._closing = threading.Event()
        self._ended = threading.Event()
        """Set when the current connection attempt has ended."""
        self._is_ready = False
        """Whether the broker has granted the subscriptions."""
        self._ready_since_s = 0.0
        self._acknowledged_s = 0.0
        """When the broker last acknowledged a message."""
        self._broker_responded = False
        self._has_spoken_version_5 = False
        self._retries_at_once = False
        """Whether the attempt failed for a limit of the broker's that the next attempt will respect."""
        self._end_reason = ""
        self._broker_reason = ""
        """The reason code with which the broker ended the connection; empty if it gave none."""
        self._backoff = Backoff(timings)
        self._outgoing = Outgoing(client_id)
        self._client: MqttClient | None = None
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        if (client := self._client) is not None:
            client.disconnect()
        self._ended.set()
        self._thread.join(timeout=5.0)

    @property
    def limits(self) -> BrokerLimits:
        """What the broker accepts now, or accepted in the last connection."""
        return self._outgoing.limits

    def max_payload_bytes(self, topic: str) -> int:
        """The size of the largest message that can be published there now; `publish` sends no larger one."""
        return self.limits.max_payload_bytes(topic)

    def publish(self, message: Message, *, wait_s: float = 0.0) -> bool:
        """Hand over a message for sending; with `wait_s`, wait up to this long for the broker to acknowledge it.

        False if it is lost, or too large for the broker, which is logged once for each kind of topic. True does not
        mean that a collector has it: only a collector's acknowledgement does. Where the broker keeps no retained
        messages, it is sent as one that is not retained.
        """
        client = self._client
        if client is None or not self._is_ready:
            return False
        timeout_s = self._timings.acknowledgement_timeout_s
        if min(client.oldest_unacknowledged_s(), time.monotonic() - self._acknowledged_s) > timeout_s:
            self._end_reason = f"the MQTT broker has not acknowledged a message for {timeout_s:g} s: connecting again"
            client.disconnect()
            return False
        return self._outgoing.publish(client, message, wait_s)

    def _run(self) -> None:
        protocols = self._clients.protocols
        while not self._closing.is_set():
            self._is_ready = self._broker_responded = self._retries_at_once = False
            self._ended.clear()
            self._end_reason = self._broker_reason = ""
            try:
                failure = self._connect(protocols[0])
            except Exception as error:  # the thread must survive a bug, or it would never reconnect
                log.exception("the MQTT connection continues after an internal error")
                failure = repr(error)
            if self._closing.is_set():
                return
            if self._retries_at_once:
                continue
            if not self._broker_responded and failure is None and len(protocols) > 1 and not self._has_spoken_version_5:
                # amqtt and other 3.1.1 brokers do not respond to a version 5 connection.
                protocols.reverse()
                if protocols[0] is MQTTProtocolVersion.MQTTv311:
                    log.info("the MQTT broker did not respond to MQTT 5, trying 3.1.1")
                    continue
            if self._is_ready:
                self._report_end()
            else:
                self._backoff.record_failure()
            if failure is None:
                failure = self._end_reason if self._broker_responded else self._describe_failure()
            self._events.put(Disconnected(failure))
            self._closing.wait(self._backoff.next_delay_s())

    def _describe_failure(self, error: Exception | None = None) -> str:
        return describe_failure(self._settings, error, have_worked=self._ready_since_s > 0)

    def _report_end(self) -> None:
        """Report whether the connection that just ended was, or may have been, taken over by another client."""
        host, port = self._settings.address
        name, hint = f"is also named {self._client_id}", "rename or stop one of them"
        if (certificate := self._settings.certificate_file) is not None:
            name = f"has the certificate {certificate}, or {name}"
            hint = "see the broker's log for its address, stop it, and revoke the certificate if it was stolen"
        if self._broker_reason == SESSION_TAKEN_OVER:
            self._events.put(TakenOver(f"another client at {host}:{port} {name}: {hint}"))
        elif not self._broker_reason and self._backoff.is_suspicious:
            reason = f"the connections to {host}:{port} end soon"
            self._events.put(Suspected(f"{reason}; unless it is being restarted, another client {name}: {hint}"))

    def _connect(self, protocol: MQTTProtocolVersion) -> str | None:
        """Hold one connection until it ends; the reason, if it could not be opened."""
        client = self._clients.create(
            self._client_id,
            protocol,
            connect_timeout_s=self._timings.connect_timeout_s,
            ended=self._ended,
            will=self._will,
            limits=self.limits,
            max_packet_bytes=MAX_PACKET_BYTES,
            receiver=self._on_publication,
        )
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        try:
            client.open()
        except (OSError, ValueError) as error:
            return self._describe_failure(error)
        self.broker_certificate = client.broker_certificate
        self._client = client
        client.loop_start()
        if self._ended.wait(self._timings.subscribe_timeout_s) or self._is_ready:
            self._ended.wait()
        self._client = None
        if self._is_ready and not self._closing.is_set():
            is_short = time.monotonic() - self._ready_since_s < self._timings.short_connection_s
            is_explained = self._outgoing.handle_end(client, self._broker_reason, is_short=is_short)
            self._backoff.record_end(is_short=is_short and not is_explained)
        client.disconnect()
        client.loop_stop()
        return None

    # paho calls these in its own thread, where an exception would silently end the loop: they only record and report.

    def _on_connect(
        self, client: Client, _data: Any, _flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._broker_responded = not is_version_refused(reason)
        if reason.is_failure:
            self._handle_refusal(str(reason))
            client.disconnect()
            return
        limits = self._outgoing.limits = BrokerLimits.from_connack(properties)
        self._has_spoken_version_5 |= client.protocol is MQTTProtocolVersion.MQTTv5
        if limits.receive_maximum < client.max_inflight_messages:
            self._retries_at_once = True
            client.disconnect()
            return
        topics = [*self._subscriptions, *self._optional_subscriptions]
        if problem := limits.find_problem(self._subscriptions):
            self._refuse_subscriptions(client, problem)
        elif topics:
            client.subscribe([(topic, 0 if topic in self._at_most_once else limits.qos) for topic in topics])
        else:
            self._set_ready()

    def _handle_refusal(self, reason: str) -> None:
        self._end_reason = f"the connection ended ({reason})"
        limits = self._outgoing.limits
        if reason == QOS_NOT_SUPPORTED and limits.qos > 0:
            self._outgoing.limits = replace(limits, max_qos=0)
            self._retries_at_once = True
        elif reason == RETAIN_NOT_SUPPORTED and limits.has_retained_messages:
            self._outgoing.limits = replace(limits, has_retained_messages=False)
            self._retries_at_once = True
        elif reason in TEMPORARY_REFUSALS:
            self._end_reason = self._settings.refusal_message(reason)
        elif self._broker_responded or self._settings.protocol != "auto":
            self._events.put(Refused(self._settings.refusal_message(reason)))
        else:
            self._has_spoken_version_5 = False

    def _on_subscribe(
        self, client: Client, _data: Any, _message_id: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        topics = [*self._subscriptions, *self._optional_subscriptions]
        refused = {topic: str(reason) for topic, reason in zip(topics, reasons, strict=False) if reason.is_failure}
        required = [topic for topic in self._subscriptions if topic in refused]
        if required:
            reason = refused[required[0]]
            fix = SUBSCRIPTION_FIXES.get(reason, f"allow {self._client_id} to read these topics")
            self._refuse_subscriptions(client, f"the subscription to {', '.join(required)} ({reason}): {fix}")
            return
        for topic, reason in refused.items():
            log.info("the MQTT broker refused the subscription to %s (%s), which is optional", topic, reason)
        self._set_ready()

    def _refuse_subscriptions(self, client: Client, problem: str) -> None:
        self._end_reason = "the connection ended (a subscription was refused)"
        self._events.put(Refused(f"the MQTT broker refused {problem}"))
        client.disconnect()

    def _set_ready(self) -> None:
        self._is_ready, self._ready_since_s = True, time.monotonic()
        self._events.put(Connected())

    def _on_disconnect(
        self, _client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._broker_reason = str(reason)
            self._end_reason = self._end_reason or describe_end(self._broker_reason)
        self._end_reason = self._end_reason or f"the connection ended ({reason})"
        self._ended.set()

    def _on_publish(self, _client: Client, _data: Any, message_id: int, reason: ReasonCode, _properties: Any) -> None:
        if (client := self._client) is None:
            return
        if client.find_unacknowledged(message_id) is not None:  # paho also reports what needs no acknowledgement
            self._acknowledged_s = time.monotonic()
        if reason.is_failure:
            self._outgoing.handle_refusal(client, message_id, reason)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._on_publication(message._topic, bytes(message.payload))  # `topic` would raise if it is not UTF-8

    def _on_publication(self, topic: bytes, payload: bytes) -> None:
        try:
            self._events.put_nowait(Received(topic.decode(), payload))
        except queue.Full:
            self.dropped_messages += 1
        except UnicodeDecodeError:
            log.warning("ignored a message on a topic that is not UTF-8")
