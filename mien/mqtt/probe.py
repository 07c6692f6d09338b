"""An MQTT connection for diagnosis: it never retries, and waits for the broker's response to each request."""

import queue
import socket
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from mien.errors import ConnectionRefused
from mien.mqtt.client import ClientFactory, MqttClient, is_version_refused
from mien.mqtt.events import Received
from mien.mqtt.failure import describe_failure
from mien.mqtt.limits import NO_LIMITS, BrokerLimits
from mien.mqtt.settings import MqttSettings
from mien.network.port import RESPONSE_TIMEOUT_S

PROBE_TIMEOUT_S = 5.0
REFUSAL_TIMEOUT_S = 0.5
"""A TLS 1.3 server examines the client's certificate when the client has already completed the handshake."""

Version = Literal["5", "3.1.1"]


@dataclass(frozen=True, slots=True)
class Response:
    """The broker's response to a publication or a subscription."""

    accepted: bool
    reason: str
    """The reason that the broker stated."""


class Probe:
    """One connection; use as a context manager.

    Entering it raises ConnectionRefused if the broker refuses the connection or does not respond, and OSError if it
    cannot be reached or its certificate is not trusted.
    """

    def __init__(self, settings: MqttSettings, *, client_id: str, timeout_s: float = PROBE_TIMEOUT_S) -> None:
        """ConfigurationError if the password file or a certificate cannot be read."""
        self._settings = settings
        self._client_id = client_id
        self._timeout_s = timeout_s
        self._clients = ClientFactory(settings)
        self._responses: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._messages: queue.Queue[Received | None] = queue.Queue()
        """The last entry of either queue is the end of the connection; it stays there."""
        self._client: MqttClient
        self.version: Version
        self.limits = NO_LIMITS
        self.tls_version = ""
        """Empty if the connection is not encrypted."""

    def __enter__(self) -> Self:
        for protocol in self._clients.protocols:
            if self._connect(protocol):
                return self
        raise ConnectionRefused(describe_failure(self._settings, timeout_s=min(self._timeout_s, RESPONSE_TIMEOUT_S)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close(self._client)

    def publish(self, topic: str, payload: bytes = b"") -> Response | None:
        """Publish a message that is not retained, at QoS 1; None if the broker does not respond in time.

        Only MQTT 5 brokers say whether they accepted it, and none does at QoS 0, if it accepts nothing better.
        """
        self._client.publish(topic, payload, qos=self.limits.qos, retain=False)
        reason: ReasonCode | None = self._wait_for("published", self._timeout_s)
        return None if reason is None else _to_response(reason)

    def subscribe(self, *topics: str) -> list[Response]:
        """A response for each topic; none if the broker does not respond in time."""
        self._client.subscribe([(topic, self.limits.qos) for topic in topics])
        reasons: list[ReasonCode] | None = self._wait_for("subscribed", self._timeout_s)
        return [_to_response(reason) for reason in reasons or ()]

    def next_message(self, timeout_s: float) -> Received | None:
        """The next message on a subscribed topic; None if none arrives in time."""
        try:
            message = self._messages.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None
        if message is None:
            self._messages.put(None)
        return message

    def _connect(self, protocol: MQTTProtocolVersion) -> bool:
        """False if the broker does not support this version."""
        responses: queue.Queue[tuple[str, Any]] = queue.Queue()
        messages: queue.Queue[Received | None] = queue.Queue()
        self._responses, self._messages = responses, messages
        client = self._clients.create(
            self._client_id, protocol, connect_timeout_s=self._timeout_s, ended=threading.Event()
        )
        # paho calls these in its own thread: they only enqueue.
        client.on_connect = lambda _c, _d, _f, *response: responses.put(("connected", response))
        client.on_subscribe = lambda _c, _d, _m, reasons, _p: responses.put(("subscribed", reasons))
        client.on_publish = lambda _c, _d, _m, reason, _p: responses.put(("published", reason))
        client.on_message = lambda _c, _d, message: messages.put(Received(message.topic, bytes(message.payload)))

        def end(*_: Any) -> None:
            responses.put(("ended", None))
            messages.put(None)

        client.on_disconnect = end
        client.open()
        self.tls_version = client.tls_version
        client.loop_start()
        response: tuple[ReasonCode, Properties] | None = self._wait_for("connected", self._timeout_s)
        reason, properties = response or (None, None)
        if reason is None or reason.is_failure:
            self._close(client)
            if reason is None or (is_version_refused(reason) and self._settings.protocol == "auto"):
                return False
            raise ConnectionRefused(self._settings.refusal_message(str(reason)))
        self._client = client
        self.limits = BrokerLimits.from_connack(properties)
        self.version = "5" if protocol is MQTTProtocolVersion.MQTTv5 else "3.1.1"
        return True

    @staticmethod
    def _close(client: MqttClient) -> None:
        client.disconnect()
        client.loop_stop()

    def _wait_for(self, kind: str, timeout_s: float) -> Any:
        """The value of the next response of a kind; None if there is none in time. Other responses are discarded."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            try:
                response, value = self._responses.get(timeout=max(0.0, deadline_s - time.monotonic()))
            except queue.Empty:
                return None
            if response == kind:
                return value
            if response == "ended":
                self._responses.put((response, value))
                return None


def _to_response(reason: ReasonCode) -> Response:
    return Response(accepted=not reason.is_failure, reason=str(reason))


def try_handshake(settings: MqttSettings, *, timeout_s: float = PROBE_TIMEOUT_S) -> str:
    """Open a connection without a word of MQTT, so that no other client is disturbed; the version of TLS, if any.

    ConnectionRefused if the broker refuses this client's certificate, OSError if it cannot be reached or is not
    trusted, ConfigurationError if a certificate cannot be read.
    """
    context = settings.tls_context()
    with socket.create_connection(settings.address, timeout=timeout_s) as plain:
        if context is None:
            return ""
        with context.wrap_socket(plain, server_hostname=settings.host) as connection:
            version = str(connection.version())
            connection.settimeout(REFUSAL_TIMEOUT_S)
            try:
                is_refused = not connection.recv(1)
            except TimeoutError:
                return version
            except OSError:
                is_refused = True
    if is_refused:
        raise ConnectionRefused(describe_failure(settings))
    return version
