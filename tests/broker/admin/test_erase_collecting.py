"""`mien db erase` beside the real collector and a real mosquitto, on SQLite and PostgreSQL."""

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from mosquitto import Mosquitto
from polling import wait_for
from running_collector import running_collector
from samples import make_health, make_observation
from sqlalchemy import text

from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.broker.settings import CollectorSettings
from mien.cli import main
from mien.messages.acknowledgement import ERASED, decode_acknowledgement
from mien.messages.health import encode_health
from mien.messages.motion import MotionState, encode_motion
from mien.messages.observation import Observation, encode_observation
from mien.messages.status import DeviceStatus, encode_device_status
from mien.mqtt.connection import Connection
from mien.mqtt.events import Connected, Event, Message, Received
from mien.mqtt.settings import MqttSettings

ONLINE = encode_device_status(DeviceStatus(state="online", agent="0.1.0", model="0123456789ab"))


class Device:
    """Publishes observations of the past and counts the answers."""

    def __init__(self, mqtt: MqttSettings, name: str = "hallway") -> None:
        self.name = name
        self.outbox = uuid4()
        self.answers: dict[int, str] = {}
        """By number: an empty text if it was stored, else why not."""
        self.topics: dict[str, bytes] = {}
        """The newest message on each other topic."""
        self._events: queue.Queue[Event] = queue.Queue()
        self.connection = Connection(
            mqtt,
            client_id=f"device-{name}",
            will=Message("will", b""),
            subscriptions=[f"mien/{name}/+", "homeassistant/device/+/config", "mien/_collector/+/status"],
            events=self._events,
        )

    def observe(self, seq: int, at: datetime) -> Observation:
        return make_observation(self.outbox, seq, device=self.name, at=at)

    def send(self, observation: Observation) -> None:
        message = Message(f"mien/{self.name}/observation", encode_observation(observation))
        wait_for(lambda: self.connection.publish(message))

    def publish_retained(self, kind: str, payload: bytes) -> None:
        assert self.connection.publish(Message(f"mien/{self.name}/{kind}", payload, retain=True), wait_s=10)

    def report_health(self, next_seq: int) -> None:
        health = make_health(self.outbox, first_seq=1, oldest_seq=next_seq, next_seq=next_seq, waiting=0)
        self.publish_retained("health", encode_health(health))

    def read(self) -> None:
        """Take note of everything that has arrived."""
        while not self._events.empty():
            match self._events.get():
                case Received(topic, payload) if topic.endswith("/ack"):
                    answer = decode_acknowledgement(payload)
                    for first, last in answer.stored:
                        self.answers |= dict.fromkeys(range(first, last + 1), "")
                    self.answers |= dict(answer.rejected)
                case Received(topic, payload):
                    self.topics[topic] = payload
                case _:
                    pass

    def wait_connected(self) -> None:
        while not isinstance(self._events.get(timeout=15), Connected):
            pass


@pytest.fixture
def settings(log: str, start_mosquitto: Callable[..., Mosquitto]) -> CollectorSettings:
    return CollectorSettings(database=log, mqtt=MqttSettings(port=start_mosquitto().port))


@contextmanager
def connected(settings: CollectorSettings, name: str = "hallway") -> Iterator[Device]:
    device = Device(settings.mqtt, name)
    with device.connection:
        device.wait_connected()
        yield device


def store_past(settings: CollectorSettings, count: int, start: datetime, outbox: UUID) -> list[Observation]:
    """Observations that were stored before, one a second."""
    past = [make_observation(outbox, seq, at=start + timedelta(seconds=seq)) for seq in range(1, count + 1)]
    engine = open_for_writing(settings.database)
    for first in range(0, count, 1000):
        messages = [
            decode_message(
                topic="mien/hallway/observation",
                payload=encode_observation(observation),
                received_ms=time.time_ns() // 1_000_000,
                device="hallway",
            )
            for observation in past[first : first + 1000]
        ]
        Store(engine).record(messages)
    engine.dispose()
    return past


def scalar(settings: CollectorSettings, query: str) -> int:
    engine = open_for_reading(settings.database)
    with engine.connect() as connection:
        (value,) = connection.execute(text(query)).one()
    engine.dispose()
    return int(value)


def assert_sound(settings: CollectorSettings) -> None:
    engine = open_for_reading(settings.database)
    report = check_log(engine)
    engine.dispose()
    assert not any(report.problems.values()), report.problems
    assert report.gaps.keys() == {"hallway"}
    assert not any(report.gaps.values()), report.gaps


def test_nothing_of_the_span_is_left_though_rows_of_it_arrive_meanwhile(settings: CollectorSettings) -> None:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
    end = start + timedelta(hours=1)
    stopping = threading.Event()
    sent: dict[int, Observation] = {}

    def send() -> None:
        """Alternately a row of the span, one of another time, and one that has long been stored."""
        while not stopping.is_set():
            seq = 3501 + len(sent)
            sent[seq] = device.observe(seq, (start if seq % 2 else end) + timedelta(seconds=seq % 3000))
            device.send(sent[seq])
            device.send(past[seq % len(past)])
            time.sleep(0.002)

    with running_collector(settings), connected(settings) as device:
        past = store_past(settings, 3500, start, device.outbox)
        sender = threading.Thread(target=send)
        sender.start()
        wait_for(lambda: len(sent) > 20)
        span = ["--from", start.isoformat(), "--to", end.isoformat()]
        assert main(["db", "erase", "--db", settings.database, "--device", "hallway", *span, "--yes"]) == 0
        seen = len(sent)
        wait_for(lambda: len(sent) > seen + 20)
        stopping.set()
        sender.join()
        device.report_health(3501 + len(sent))

        def is_answered() -> bool:
            device.read()
            return sent.keys() <= device.answers.keys()

        wait_for(is_answered, timeout_s=60)
        wait_for(lambda: scalar(settings, "SELECT count(*) FROM outbox_counter"))
    later = [seq for seq, observation in sent.items() if observation.at >= end]
    assert scalar(settings, "SELECT count(*) FROM observation") == len(later)
    assert {device.answers[seq] for seq in later} == {""}
    last = max(sent.keys() - set(later))
    assert device.answers[last] == ERASED
    assert scalar(settings, "SELECT count(*) FROM rejected WHERE payload IS NOT NULL") == 0
    assert_sound(settings)


def test_an_erasure_that_was_killed_is_completed_by_another(settings: CollectorSettings) -> None:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=20)
    command = [sys.executable, "-m", "mien", "db", "erase", "--db", settings.database, "--device", "hallway", "--yes"]
    with running_collector(settings), connected(settings) as device:
        store_past(settings, 20_000, start, device.outbox)
        device.report_health(20_001)
        with subprocess.Popen(command) as process:
            wait_for(lambda: scalar(settings, "SELECT count(*) FROM observation") < 20_000, timeout_s=60)
            process.kill()
        left = scalar(settings, "SELECT count(*) FROM observation")
        assert left > 0
        wait_for(lambda: scalar(settings, "SELECT count(*) FROM outbox_counter"))
        assert_sound(settings)
        late = device.observe(20_001, start)
        device.send(late)
        subprocess.run(command, check=True, capture_output=True)

        def is_answered() -> bool:
            device.read()
            return device.answers == {20_001: ERASED}

        wait_for(is_answered)
    assert scalar(settings, "SELECT count(*) FROM observation") == 0
    assert scalar(settings, "SELECT count(*) FROM rollup") == 0
    assert_sound(settings)


def test_retained_messages_of_an_erased_device_are_cleared_and_those_of_others_stay(
    settings: CollectorSettings,
) -> None:
    """The collector runs again after the erasure: the MQTT broker sends it what it has retained."""
    with connected(settings) as device, connected(settings, "kitchen") as other:
        with running_collector(settings):
            for one in (device, other):
                one.publish_retained("status", ONLINE)
                one.publish_retained("motion", encode_motion(MotionState(state="on", since=datetime.now(UTC))))
                one.report_health(1)
            wait_for(lambda: scalar(settings, "SELECT count(*) FROM device_state") == 6)
        assert main(["db", "erase", "--db", settings.database, "--device", "hallway", "--yes"]) == 0
        with running_collector(settings):
            wait_for(lambda: scalar(settings, "SELECT sum(clear_retained) FROM erasure") == 0, timeout_s=30)
        assert scalar(settings, "SELECT count(*) FROM device_state") == 3
    with connected(settings) as device, connected(settings, "kitchen") as other:
        kinds = ("status", "motion", "health")

        def is_retained() -> bool:
            other.read()
            return {f"mien/kitchen/{kind}" for kind in kinds} <= other.topics.keys()

        wait_for(is_retained)
        device.send(device.observe(1, datetime.now(UTC)))  # what is retained arrives before what comes back

        def has_returned() -> bool:
            device.read()
            return "mien/hallway/observation" in device.topics

        wait_for(has_returned)
        assert not {f"mien/hallway/{kind}" for kind in kinds} & device.topics.keys()
        assert "homeassistant/device/kitchen/config" in device.topics
        assert "homeassistant/device/hallway/config" not in device.topics
