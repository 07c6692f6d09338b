"""Twenty devices in real time: one client sends their observations, one message each, at a steady rate."""

import json
import random
import threading
import time
from collections.abc import Sequence
from itertools import cycle, islice
from types import TracebackType
from typing import Self
from uuid import uuid4

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from mien.messages.observation import encode_observation
from parts.drafts import make_drafts
from parts.measure import ChildProcess, wait_until

DEVICES = 20
EVENTS_PER_S = 2000
STALL_TIMEOUT_S = 120.0
"""Without any progress for this long, the benchmark fails."""


class SimulatedDevices:
    """One client that sends the observations of all devices and counts acknowledgements; use as a context manager."""

    def __init__(self, port: int) -> None:
        self.acknowledged = 0
        self.online_collectors: set[str] = set()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.max_inflight_messages_set(0)
        self._client.on_message = self._handle_message
        self._client.connect("127.0.0.1", port)
        self._client.subscribe([("mien/+/ack", 1), ("mien/_collector/+/status", 1)])
        self._client.loop_start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def start_sending(self, count: int) -> None:
        """Publish new observations at the rate of this benchmark, in a thread."""
        threading.Thread(target=self._send, args=[count], daemon=True).start()

    def wait_for_acknowledgements(self, count: int, collectors: Sequence[ChildProcess]) -> None:
        """ChildFailed as soon as a collector exits, or if acknowledgements stop arriving."""
        while (acknowledged := self.acknowledged) < count:
            wait_until(
                lambda before=acknowledged: self.acknowledged > before,  # type: ignore[misc]
                collectors,
                timeout_s=STALL_TIMEOUT_S,
                awaited=f"acknowledgements, after {acknowledged} of {count}",
            )

    def _send(self, count: int) -> None:
        messages = make_messages(count)
        start_s = time.monotonic()
        for number, (topic, payload) in enumerate(messages):
            if number % 20 == 0 and (ahead_s := number / EVENTS_PER_S - (time.monotonic() - start_s)) > 0:
                time.sleep(ahead_s)
            self._client.publish(topic, payload, qos=1)

    def _handle_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        content = json.loads(message.payload)
        if content.get("state") == "online":
            self.online_collectors.add(message.topic)
        elif "stored" in content:
            self.acknowledged += sum(last - first + 1 for first, last in content["stored"])


def make_messages(count: int) -> list[tuple[str, bytes]]:
    """Topics and payloads of all devices in turn."""
    devices = [f"device-{number}" for number in range(DEVICES)]
    rows = {device: make_drafts(device, -(-count // DEVICES), random.Random(device)) for device in devices}
    outboxes = {device: uuid4() for device in devices}
    return [
        (
            f"mien/{device}/observation",
            encode_observation(next(rows[device]).to_observation(outbox=outboxes[device], seq=number // DEVICES + 1)),
        )
        for number, device in enumerate(islice(cycle(devices), count))
    ]
