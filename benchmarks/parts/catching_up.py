"""Devices that were offline for a while and send what waits in their outboxes, with the real outbox and publisher."""

import random
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.delivery.publisher import Publisher
from mien.mqtt.settings import MqttSettings
from parts.drafts import make_drafts
from parts.measure import ChildProcess, wait_until

DRAIN_TIMEOUT_S = 120.0


class CatchingUpDevices:
    """The outboxes of all devices, full of rows; use as a context manager."""

    def __init__(self, folder: Path, *, devices: int, rows: int) -> None:
        """`rows` of all devices together. The folder should be in memory: each row is committed to disk."""
        clock, source = Clock("trusted"), random.Random(1)
        self.single_bytes = 0
        """What the payloads of all rows would take as one message each."""
        self._outboxes: dict[str, Outbox] = {}
        for number in range(devices):
            device = f"device-{number}"
            outbox = self._outboxes[device] = Outbox(folder / f"{device}.db", device=device)
            for draft in make_drafts(device, rows // devices, source):
                outbox.append(draft, clock.now())
            self.single_bytes += sum(len(payload) for _, payload in outbox.read_publishable(rows))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for outbox in self._outboxes.values():
            outbox.__exit__(kind, error, traceback)

    def catch_up(self, port: int, collectors: Sequence[ChildProcess]) -> int:
        """Publish everything until it is acknowledged; returns the bytes of all payloads that this took."""
        with ExitStack() as stack:
            traffic = stack.enter_context(PayloadCounter(port))
            for device, outbox in self._outboxes.items():
                publisher = Publisher(
                    MqttSettings(port=port),
                    device=device,
                    model_id="0123456789ab",
                    outbox=outbox,
                    clock=Clock("trusted"),
                )
                stack.enter_context(publisher)
            wait_until(
                lambda: not any(outbox.count_waiting() for outbox in self._outboxes.values()),
                collectors,
                timeout_s=DRAIN_TIMEOUT_S,
                awaited="the outboxes to be empty",
            )
            return traffic.payload_bytes


class PayloadCounter:
    """Counts the bytes that arrive on the observation topics; use as a context manager."""

    def __init__(self, port: int) -> None:
        self.payload_bytes = 0
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._count
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("mien/+/observation", 0)

    def __enter__(self) -> Self:
        self._client.loop_start()
        self._subscribed.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _count(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.payload_bytes += len(message.payload)
