"""What an observer of the MQTT broker sees, over restarts of the broker."""

import json
import threading
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from mien.messages.batch import decode_batch, is_batch


class Traffic:
    """Counts what devices send and knows which collectors are online; use as a context manager."""

    def __init__(self, port: int) -> None:
        self.messages = 0
        """Observations and losses that were sent alone."""
        self.batches = 0
        self.batched_messages = 0
        self.online_collectors: set[str] = set()
        self.port = port
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._handle

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self.port)
        self._client.loop_start()
        assert self._subscribed.wait(15)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _subscribe(self, client: Client, *_: Any) -> None:
        client.subscribe([("mien/+/observation", 1), ("mien/_collector/+/status", 1)])

    def _handle(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        payload = bytes(message.payload)
        if not message.topic.endswith("/observation"):
            is_online = json.loads(payload)["state"] == "online"
            (self.online_collectors.add if is_online else self.online_collectors.discard)(message.topic)
        elif is_batch(payload):
            self.batches += 1
            self.batched_messages += len(decode_batch(payload))
        else:
            self.messages += 1
