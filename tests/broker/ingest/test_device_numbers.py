"""What one device does to the numbers of another, with real collectors, mosquitto and both databases."""

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import msgspec
import pytest
from mosquitto import Mosquitto
from polling import wait_for
from running_collector import running_collector
from samples import make_health, make_observation

from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_reading
from mien.broker.settings import CollectorSettings
from mien.messages.acknowledgement import Acknowledgement, decode_acknowledgement
from mien.messages.health import encode_health
from mien.messages.observation import Observation, encode_observation
from mien.mqtt.connection import Connection
from mien.mqtt.events import Event, Message, Received
from mien.mqtt.settings import MqttSettings


class Device:
    """A device that may write to its own topics only."""

    def __init__(self, name: str, connection: Connection, events: queue.Queue[Event]) -> None:
        self.name = name
        self._connection, self._events = connection, events

    def send(self, observation: Observation) -> Acknowledgement:
        """Publish until it is acknowledged."""
        message = Message(f"mien/{self.name}/observation", encode_observation(observation))
        while True:
            self._connection.publish(message)
            try:
                event = self._events.get(timeout=1)
                while not isinstance(event, Received):
                    event = self._events.get(timeout=1)
                return decode_acknowledgement(event.payload)
            except queue.Empty:
                continue  # it is not connected yet, or no collector is

    def report(self, **numbers: object) -> None:
        payload = encode_health(make_health(**numbers))  # type: ignore[arg-type]
        self._connection.publish(Message(f"mien/{self.name}/health", payload, retain=True), wait_s=5.0)


@contextmanager
def connected_device(name: str, mqtt: MqttSettings) -> Iterator[Device]:
    events: queue.Queue[Event] = queue.Queue()
    connection = Connection(
        mqtt,
        client_id=name,
        will=Message(f"mien/{name}/status", b""),
        subscriptions=[f"mien/{name}/ack"],
        events=events,
    )
    with connection:
        yield Device(name, connection, events)


@pytest.fixture
def settings(log: str, start_mosquitto: Callable[..., Mosquitto]) -> CollectorSettings:
    return CollectorSettings(database=log, mqtt=MqttSettings(port=start_mosquitto().port))


def test_a_device_enters_nothing_under_the_name_of_another_and_is_told_so(settings: CollectorSettings) -> None:
    outbox = uuid4()
    genuine = [make_observation(outbox, seq, device="cellar") for seq in (1, 2)]
    forged = make_observation(outbox, 2**53, device="cellar")
    with (
        running_collector(settings),
        connected_device("cellar", settings.mqtt) as cellar,
        connected_device("hallway", settings.mqtt) as hallway,
    ):
        assert cellar.send(genuine[0]).stored == [(1, 1)]
        assert hallway.send(forged).rejected == [(2**53, "device cellar on the topic of hallway")]
        stolen = msgspec.structs.replace(genuine[0], device="hallway", outbox=outbox, seq=7)
        assert hallway.send(stolen).rejected == [(7, "its id is known from another device")]
        assert cellar.send(genuine[0]).stored == [(1, 1)]
        assert cellar.send(genuine[1]).stored == [(2, 2)]
        cellar.report(outbox=outbox, oldest_seq=3, next_seq=3)
        hallway.report(outbox=outbox, oldest_seq=2**53, next_seq=2**53)  # more than time allows
        hallway.report(outbox=uuid4(), first_seq=1, oldest_seq=3, next_seq=3, previous_outbox=outbox)

        def has_both_reports() -> bool:
            return check_log(open_for_reading(settings.database)).gaps.keys() == {"cellar", "hallway"}

        wait_for(has_both_reports)
    report = check_log(open_for_reading(settings.database))
    assert not any(report.problems.values())
    assert report.gaps["cellar"] == {}
    assert [*report.gaps["hallway"].values()] == [[(1, 2)]]  # of its own outbox: it continues none of the cellar's
