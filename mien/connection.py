"""One MQTT connection that keeps itself up and turns everything that happens on it into events in one queue."""

import logging
import queue
import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from mien.mqtt import Mqtt

CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 5.0
"""A broker that has not granted the subscriptions by then does not speak this version of MQTT, or hangs."""
PASSING_REFUSALS = ("Server unavailable", "Server busy", "Connection rate exceeded", "Quota exceeded")
"""What a broker says that will take the client later."""
SHORT_S = 5.0
"""A connection that the broker ends so soon after it was granted..."""
SHORT_IN_ROW = 3
"""...and so often in a row is another client's under the same name: MQTT 3.1.1 gives no reason."""
IN_FLIGHT = 10
"""Messages on their way at once: HiveMQ takes so many, mosquitto 20. Where a broker says less, the next connection
keeps to that: paho does not heed what the broker says, and takes no other number while connected."""
LARGEST_PACKET = 262_144
"""Bytes of what an MQTT 5 broker may pass on; an acknowledgement of a hundred refusals takes a tenth of it."""
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """Something to publish, at QoS 1."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker has accepted the connection and granted every subscription."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker answered and said no; the connection tries again, ever more slowly."""

    why: str


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Another client connects under the same name, so that the two throw each other out; the connection tries again."""

    why: str


@dataclass(frozen=True, slots=True)
class Away:
    """There is no connection (any more); the connection tries again, ever more slowly."""

    why: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message on a subscribed topic."""

    topic: str
    payload: bytes


Event = Connected | Refused | TakenOver | Away | Received


class _Client(Client):
    """paho's client, telling when its thread ends for whatever reason: paho itself does not."""

    def __init__(self, ended: threading.Event, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._mien_ended = ended

    def loop_forever(self, *arguments: Any, **options: Any) -> MQTTErrorCode:
        try:
            return super().loop_forever(*arguments, **options)
        except Exception:  # what a broker sent must not end the connection unseen
            log.exception("the MQTT client failed; it connects again")
            return MQTTErrorCode.MQTT_ERR_UNKNOWN
        finally:
            self._mien_ended.set()


class Connection:
    """One client that connects, subscribes and reconnects until it is closed; use as a context manager.

    Every session starts clean: mien trusts the broker with nothing. All events go into `events`; if that is bounded
    and full, messages are dropped and counted in `overflow`, since whoever sent them sends them again.
    """

    def __init__(
        self,
        settings: Mqtt,
        *,
        client_id: str,
        will: Message,
        subscriptions: Sequence[str],
        wishes: Sequence[str] = (),
        events: "queue.Queue[Event]",
    ) -> None:
        """`wishes` are subscriptions without which it works, too: whether the broker grants them is not asked."""
        self.overflow = 0
        self._settings = settings
        self._password = settings.password()
        self._tls = settings.tls_context()
        self._client_id = client_id
        self._will = will
        self._subscriptions = subscriptions
        self._wishes = wishes
        self._events = events
        self._closing = threading.Event()
        self._ended = threading.Event()
        self._granted = False
        self._answered = False
        self._granted_s = 0.0
        self._short = 0
        self._why = ""
        self._in_flight = IN_FLIGHT
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
        """Hand a message to the connection; with `wait_s`, wait as long for the broker's answer. False if it is lost.

        True does not mean that anybody has it: only an acknowledgement by a collector does.
        """
        client = self._client
        if client is None or not self._granted:
            return False
        sent = client.publish(message.topic, message.payload, qos=1, retain=message.retain)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        if wait_s:
            with suppress(RuntimeError):  # paho raises it where the connection ended in between
                sent.wait_for_publish(wait_s)
            return sent.is_published()
        return True

    def _run(self) -> None:
        protocols = {"auto": [5, 4], "5": [5], "3.1.1": [4]}[self._settings.protocol]
        retry_s = FIRST_RETRY_S
        while not self._closing.is_set():
            self._granted = self._answered = False
            self._ended.clear()
            self._why = ""
            in_flight = self._in_flight
            try:
                why = self._connect(MQTTProtocolVersion(protocols[0]))
            except Exception as error:  # the thread must outlive a bug, or nothing would ever connect again
                log.exception("the MQTT connection goes on after an error of its own")
                why = repr(error)
            if self._closing.is_set():
                return
            if self._in_flight < in_flight:
                continue
            if not self._answered and why is None and len(protocols) > 1:
                # amqtt and other 3.1.1 brokers leave a version 5 connection without an answer.
                protocols.reverse()
                if protocols[0] == 4:
                    log.info("the broker gave no answer to MQTT 5, trying 3.1.1")
                    continue
            if self._granted:
                retry_s = FIRST_RETRY_S
                self._watch_for_another()
            ended = f"the connection ended ({self._why})" if self._answered else self._settings.silence()
            self._events.put(Away(why or ended))
            self._closing.wait(retry_s * random.uniform(0.5, 1.0))
            retry_s = min(LONGEST_RETRY_S, retry_s * 2)

    def _watch_for_another(self) -> None:
        """Tell a takeover from other ends of a connection."""
        short = time.monotonic() - self._granted_s < SHORT_S
        self._short = self._short + 1 if short else 0
        if self._why == "Session taken over" or self._short == SHORT_IN_ROW:
            host, port = self._settings.address
            cure = "give one of them another name, or stop it"
            self._events.put(TakenOver(f"another client at {host}:{port} is named {self._client_id}, too: {cure}"))

    def _connect(self, protocol: MQTTProtocolVersion) -> str | None:
        """Hold one connection until it ends; why it did not come about, if it did not."""
        five = protocol is MQTTProtocolVersion.MQTTv5
        client = _Client(
            self._ended,
            CallbackAPIVersion.VERSION2,
            self._client_id,
            clean_session=None if five else True,
            protocol=protocol,
            reconnect_on_failure=False,
        )
        if self._settings.username is not None:
            client.username_pw_set(self._settings.username, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        client.will_set(self._will.topic, self._will.payload, qos=1, retain=True)
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(self._in_flight)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        host, port = self._settings.address
        try:
            client.connect(host, port, self._settings.keepalive_s, properties=_bounds() if five else None)
        except (OSError, ValueError) as error:
            return f"no broker at {host}:{port} ({error})"
        self._client = client
        client.loop_start()
        if self._ended.wait(ANSWER_TIMEOUT_S) or self._granted:
            self._ended.wait()
        self._client = None
        client.disconnect()
        client.loop_stop()
        return None

    # paho calls these in its own thread, where an exception would end the loop unseen: they only pass on.

    def _on_connect(
        self, client: Client, _data: Any, _flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        version_refused = reason.is_failure and "protocol version" in str(reason).lower()
        self._answered = not version_refused
        if reason.is_failure:
            self._why = str(reason)
            busy = str(reason) in PASSING_REFUSALS
            if not busy and (not version_refused or self._settings.protocol != "auto"):
                self._events.put(Refused(self._settings.refusal(str(reason))))
            client.disconnect()
            return
        taken = int(getattr(properties, "ReceiveMaximum", IN_FLIGHT))
        if taken < self._in_flight:
            self._in_flight = taken
            client.disconnect()
            return
        if self._subscriptions:
            client.subscribe([(topic, 1) for topic in (*self._subscriptions, *self._wishes)])
        else:
            self._grant()

    def _on_subscribe(
        self, client: Client, _data: Any, _message_id: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        refused = [topic for topic, reason in zip(self._subscriptions, reasons, strict=False) if reason.is_failure]
        if refused:
            self._events.put(Refused(f"may not read {', '.join(refused)}: grant {self._client_id} these topics"))
            client.disconnect()
            return
        self._grant()

    def _grant(self) -> None:
        self._granted, self._granted_s = True, time.monotonic()
        self._events.put(Connected())

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        self._why = self._why or str(reason)
        self._ended.set()

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            self._events.put_nowait(Received(message.topic, bytes(message.payload)))
        except queue.Full:
            self.overflow += 1
        except UnicodeDecodeError:
            log.warning("a message came on a topic that is not UTF-8")


def _bounds() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.MaximumPacketSize = LARGEST_PACKET
    return properties
