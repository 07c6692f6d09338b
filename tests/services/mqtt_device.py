"""A device that speaks MQTT as an agent does, with rows that the test makes."""

import queue
from uuid import uuid4

from mien.messages.acknowledgement import Acknowledgement, decode_acknowledgement
from mien.messages.status import CollectorStatus, decode_collector_status
from mien.mqtt.connection import Connection
from mien.mqtt.events import Connected, Event, Message, Received
from mien.mqtt.settings import MqttSettings


class Device:
    """A device that publishes observations and reads acknowledgements and the collector's status."""

    def __init__(self, mqtt: MqttSettings, name: str = "hallway") -> None:
        self.name = name
        self.outbox = uuid4()
        self.acknowledgement_bytes: list[int] = []
        self._events: queue.Queue[Event] = queue.Queue()
        self.connection = Connection(
            mqtt,
            client_id=name,
            will=Message("will", b""),
            subscriptions=[f"mien/{name}/ack", "mien/_collector/+/status"],
            events=self._events,
        )

    def wait_connected(self) -> None:
        """Wait until the broker has granted the subscriptions."""
        assert isinstance(self._events.get(timeout=30), Connected)

    def wait_online(self) -> None:
        """Wait until a collector is online."""
        while self.status().state != "online":
            pass

    def status(self) -> CollectorStatus:
        while True:
            event = self._events.get(timeout=30)
            if isinstance(event, Received) and event.topic.endswith("/status"):
                return decode_collector_status(event.payload)

    def acknowledgement(self) -> Acknowledgement:
        while True:
            event = self._events.get(timeout=30)
            if isinstance(event, Received) and event.topic.endswith("/ack"):
                self.acknowledgement_bytes.append(len(event.payload))
                return decode_acknowledgement(event.payload)

    def answers(self, count: int) -> tuple[set[int], dict[int, str]]:
        """Wait until this many numbers are answered: those that were stored, and the reasons of those rejected."""
        stored: set[int] = set()
        rejected: dict[int, str] = {}
        while len(stored | rejected.keys()) < count:
            acknowledgement = self.acknowledgement()
            assert acknowledgement.outbox == self.outbox
            stored |= {seq for first, last in acknowledgement.stored for seq in range(first, last + 1)}
            rejected |= dict(acknowledgement.rejected)
        return stored, rejected

    def send(self, *payloads: bytes) -> None:
        for payload in payloads:
            assert self.connection.publish(Message(f"mien/{self.name}/observation", payload))
