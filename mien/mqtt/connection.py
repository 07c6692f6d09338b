"""An MQTT connection that reconnects by itself and reports everything that happens as events in one queue."""

import logging
import queue
import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from mien.mqtt.client import ClientFactory, is_version_refused
from mien.mqtt.events import Connected, Disconnected, Event, Message, Received, Refused, TakenOver
from mien.mqtt.settings import MqttSettings
from mien.mqtt.timings import DEFAULT_TIMINGS, ConnectionTimings

TEMPORARY_REFUSALS = ("Server unavailable", "Server busy", "Connection rate exceeded", "Quota exceeded")
"""Refusals by a broker that will accept the client later."""
TAKEOVER_SHORT_CONNECTIONS = 3
"""This many short connections in a row mean that another client has the same ID: MQTT 3.1.1 gives no reason."""
MAX_IN_FLIGHT = 10
"""Unacknowledged messages at once: HiveMQ accepts this many, mosquitto 20. If a broker announces less (MQTT 5, Receive
Maximum), the next connection uses its limit: paho ignores the announcement, and cannot change the limit while
connected."""
MAX_PACKET_BYTES = 262_144
"""The largest packet that an MQTT 5 broker may deliver; an acknowledgement of a hundred rejections is a tenth of it."""

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
        events: "queue.Queue[Event]",
        timings: ConnectionTimings = DEFAULT_TIMINGS,
    ) -> None:
        """It works without the `optional_subscriptions`, too: whether the broker grants them is not checked.

        ConfigurationError if the password file or a certificate cannot be read.
        """
        self.dropped_messages = 0
        self._settings = settings
        self._clients = ClientFactory(settings)
        self._client_id = client_id
        self._will = will
        self._subscriptions = subscriptions
        self._optional_subscriptions = optional_subscriptions
        self._events = events
        self._timings = timings
        self._closing = threading.Event()
        self._ended = threading.Event()
        """Set when the current connection attempt has ended."""
        self._is_ready = False
        """Whether the broker has granted the subscriptions."""
        self._ready_since_s = 0.0
        self._broker_responded = False
        self._end_reason = ""
        self._short_connections = 0
        self._max_in_flight = MAX_IN_FLIGHT
        self._client: Client | None = None
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

    def publish(self, message: Message, *, wait_s: float = 0.0) -> bool:
        """Hand over a message for sending; with `wait_s`, wait up to this long for the broker to acknowledge it.

        False if it is lost. True does not mean that a collector has it: only a collector's acknowledgement does.
        """
        client = self._client
        if client is None or not self._is_ready:
            return False
        publication = client.publish(message.topic, message.payload, qos=1, retain=message.retain)
        if publication.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        if wait_s:
            with suppress(RuntimeError):  # paho raises it if the connection has ended in the meantime
                publication.wait_for_publish(wait_s)
            return publication.is_published()
        return True

    def _run(self) -> None:
        protocols = self._clients.protocols
        retry_s = self._timings.first_retry_s
        while not self._closing.is_set():
            self._is_ready = self._broker_responded = False
            self._ended.clear()
            self._end_reason = ""
            max_in_flight = self._max_in_flight
            try:
                failure = self._connect(protocols[0])
            except Exception as error:  # the thread must survive a bug, or it would never reconnect
                log.exception("the MQTT connection continues after an internal error")
                failure = repr(error)
            if self._closing.is_set():
                return
            if self._max_in_flight < max_in_flight:
                continue
            if not self._broker_responded and failure is None and len(protocols) > 1:
                # amqtt and other 3.1.1 brokers do not respond to a version 5 connection.
                protocols.reverse()
                if protocols[0] is MQTTProtocolVersion.MQTTv311:
                    log.info("the MQTT broker did not respond to MQTT 5, trying 3.1.1")
                    continue
            if self._is_ready:
                retry_s = self._timings.first_retry_s
                self._detect_takeover()
            if failure is None:
                ended = f"the connection ended ({self._end_reason})"
                failure = ended if self._broker_responded else self._settings.no_response_message()
            self._events.put(Disconnected(failure))
            self._closing.wait(retry_s * random.uniform(0.5, 1.0))
            retry_s = min(self._timings.max_retry_s, retry_s * 2)

    def _detect_takeover(self) -> None:
        """Report whether the connection that just ended was taken over by another client."""
        is_short = time.monotonic() - self._ready_since_s < self._timings.short_connection_s
        self._short_connections = self._short_connections + 1 if is_short else 0
        if self._end_reason == "Session taken over" or self._short_connections == TAKEOVER_SHORT_CONNECTIONS:
            host, port = self._settings.address
            hint = "rename or stop one of them"
            self._events.put(TakenOver(f"another client at {host}:{port} is also named {self._client_id}: {hint}"))

    def _connect(self, protocol: MQTTProtocolVersion) -> str | None:
        """Hold one connection until it ends; the reason, if it could not be opened."""
        client = self._clients.create(
            self._client_id,
            protocol,
            connect_timeout_s=self._timings.connect_timeout_s,
            ended=self._ended,
            will=self._will,
            max_in_flight=self._max_in_flight,
            max_packet_bytes=MAX_PACKET_BYTES,
        )
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        try:
            client.open()
        except (OSError, ValueError) as error:
            host, port = self._settings.address
            return f"no MQTT broker at {host}:{port} ({error})"
        self._client = client
        client.loop_start()
        if self._ended.wait(self._timings.subscribe_timeout_s) or self._is_ready:
            self._ended.wait()
        self._client = None
        client.disconnect()
        client.loop_stop()
        return None

    # paho calls these in its own thread, where an exception would silently end the loop: they only record and report.

    def _on_connect(
        self, client: Client, _data: Any, _flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._broker_responded = not is_version_refused(reason)
        if reason.is_failure:
            self._end_reason = str(reason)
            is_temporary = str(reason) in TEMPORARY_REFUSALS
            if not is_temporary and (self._broker_responded or self._settings.protocol != "auto"):
                self._events.put(Refused(self._settings.refusal_message(str(reason))))
            client.disconnect()
            return
        receive_maximum = int(getattr(properties, "ReceiveMaximum", MAX_IN_FLIGHT))
        if receive_maximum < self._max_in_flight:
            self._max_in_flight = receive_maximum
            client.disconnect()
            return
        if self._subscriptions:
            client.subscribe([(topic, 1) for topic in (*self._subscriptions, *self._optional_subscriptions)])
        else:
            self._set_ready()

    def _on_subscribe(
        self, client: Client, _data: Any, _message_id: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        refused = [topic for topic, reason in zip(self._subscriptions, reasons, strict=False) if reason.is_failure]
        if refused:
            hint = f"allow {self._client_id} to read these topics"
            self._events.put(Refused(f"the MQTT broker refused the subscription to {', '.join(refused)}: {hint}"))
            client.disconnect()
            return
        self._set_ready()

    def _set_ready(self) -> None:
        self._is_ready, self._ready_since_s = True, time.monotonic()
        self._events.put(Connected())

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        self._end_reason = self._end_reason or str(reason)
        self._ended.set()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            self._events.put_nowait(Received(message.topic, bytes(message.payload)))
        except queue.Full:
            self.dropped_messages += 1
        except UnicodeDecodeError:
            log.warning("ignored a message on a topic that is not UTF-8")
