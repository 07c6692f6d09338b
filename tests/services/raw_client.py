"""A client of paho's own, not mien's, that returns the MQTT broker's reason codes and may ask for anything."""

import queue
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from mien.mqtt.settings import MqttSettings

TIMEOUT_S = 15.0


class RawClient:
    """One connection; events other than those asked for are discarded."""

    def __init__(
        self,
        mqtt: MqttSettings,
        context: ssl.SSLContext | None,
        *,
        client_id: str = "",
        will_topic: str | None = None,
        version: int = 5,
    ) -> None:
        self._events: queue.Queue[tuple[str, Any]] = queue.Queue()
        client = self.client = Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=MQTTProtocolVersion(version),
            reconnect_on_failure=False,
        )
        client.on_connect = lambda _c, _d, _f, reason, _p: self._events.put(("connected", str(reason)))
        client.on_publish = lambda _c, _d, _m, reason, _p: self._events.put(("published", str(reason)))
        client.on_subscribe = lambda _c, _d, _m, reasons, _p: self._events.put(("subscribed", str(reasons[0])))
        client.on_disconnect = lambda _c, _d, _f, reason, _p: self._events.put(("disconnected", str(reason)))
        client.on_message = lambda _c, _d, message: self._events.put(("message", message.topic))
        if will_topic is not None:
            client.will_set(will_topic, b"{}", qos=1)
        if context is not None:
            client.tls_set_context(context)
        client.connect(*mqtt.address)
        client.loop_start()

    def next(self, *kinds: str) -> str:
        """Reason or topic of the next event of one of these kinds; queue.Empty if none arrives in time."""
        while True:
            event, value = self._events.get(timeout=TIMEOUT_S)
            if event in kinds:
                return str(value)

    def publish(self, topic: str) -> str:
        """The reason code of the acknowledgement."""
        self.client.publish(topic, b"{}", qos=1)
        return self.next("published")

    def subscribe(self, topic: str) -> str:
        """The reason code, or the granted quality of service."""
        self.client.subscribe(topic, 1)
        return self.next("subscribed")

    def vanish(self) -> None:
        """End the connection without a word, so that the MQTT broker publishes the last will."""
        connection = self.client.socket()
        assert connection is not None
        connection.close()
        self.client.loop_stop()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def connect(mqtt: MqttSettings, context: ssl.SSLContext | None = None, **options: Any) -> Iterator[RawClient]:
    """A client with the identity of the settings, or that of `context`."""
    client = RawClient(mqtt, context or mqtt.tls_context(), **options)
    try:
        yield client
    finally:
        client.close()


def is_refused(mqtt: MqttSettings, context: ssl.SSLContext | None) -> bool:
    """Whether the handshake fails, or the connection ends before the MQTT broker accepts it."""
    try:
        client = RawClient(mqtt, context)
    except OSError:
        return True
    try:
        return client.next("connected", "disconnected") not in ("Success", "Normal disconnection")
    finally:
        client.close()
