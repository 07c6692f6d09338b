"""The real `mien collect` against a real mosquitto."""

import queue
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen
from uuid import uuid4

import msgspec
import pytest
from collecting import collecting
from mosquitto import Mosquitto, free_port
from postgresql import PostgreSQL
from samples import make_health, make_observation
from sqlalchemy import text
from waiting import wait_for

from mien import acknowledgement
from mien.acknowledgement import Acknowledgement
from mien.broker.database import Place, open_for_reading
from mien.broker.metrics import Metrics
from mien.broker.settings import CollectorSettings
from mien.connection import Connected, Connection, Event, Message, Received
from mien.health import encode as encode_health
from mien.mqtt import Mqtt
from mien.observation import encode
from mien.status import CollectorStatus, decode_collector_status


class Device:
    """What a device sees: it publishes observations and reads acknowledgements and collectors' states."""

    def __init__(self, mqtt: Mqtt) -> None:
        self.outbox = uuid4()
        self._events: queue.Queue[Event] = queue.Queue()
        self.connection = Connection(
            mqtt,
            client_id="device",
            will=Message("will", b""),
            subscriptions=["mien/hallway/ack", "mien/_collector/+/status"],
            events=self._events,
        )

    def online(self) -> None:
        """Wait until a collector is online."""
        while self.status().state != "online":
            pass

    def status(self) -> CollectorStatus:
        while True:
            event = self._events.get(timeout=15)
            if isinstance(event, Received) and event.topic.endswith("/status"):
                return decode_collector_status(event.payload)

    def answer(self) -> Acknowledgement:
        while True:
            event = self._events.get(timeout=15)
            if isinstance(event, Received) and event.topic.endswith("/ack"):
                return acknowledgement.decode(event.payload)

    def send(self, *payloads: bytes) -> None:
        for payload in payloads:
            assert self.connection.publish(Message("mien/hallway/observation", payload))


@pytest.fixture
def settings(tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]) -> CollectorSettings:
    return CollectorSettings(database=str(tmp_path / "mien.db"), mqtt=Mqtt(port=start_mosquitto().port))


@pytest.fixture
def device(settings: CollectorSettings) -> Iterator[Device]:
    device = Device(settings.mqtt)
    with device.connection:
        assert isinstance(device._events.get(timeout=15), Connected)
        yield device


def count(settings: CollectorSettings, table: str) -> int:
    with closing(sqlite3.connect(settings.database)) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 (a constant)


def test_it_acknowledges_what_it_has_committed(settings: CollectorSettings, device: Device) -> None:
    with collecting(settings):
        device.online()
        device.send(*(encode(make_observation(device.outbox, seq)) for seq in (1, 2, 3, 7)))
        settled: set[tuple[int, int]] = set()
        while sum(last - first + 1 for first, last in settled) < 4:
            answer = device.answer()
            assert answer.outbox == device.outbox
            settled |= set(answer.stored)
            assert count(settings, "observation") >= sum(last - first + 1 for first, last in settled)


def test_a_repetition_is_acknowledged_but_not_stored(settings: CollectorSettings, device: Device) -> None:
    payload = encode(make_observation(device.outbox, 1))
    with collecting(settings):
        device.online()
        for _ in range(2):
            device.send(payload)
            assert device.answer().stored == [(1, 1)]
    assert count(settings, "observation") == 1


def test_a_rejection_is_answered_with_its_reason(settings: CollectorSettings, device: Device) -> None:
    payload = encode(make_observation(device.outbox, 4)).replace(b'"happy",', b'"smug",')
    with collecting(settings):
        device.online()
        device.send(b"\x00 noise", payload)
        assert device.answer().rejected == [(4, "Invalid enum value 'smug' - at `$.emotion`")]
    assert count(settings, "rejected") == 2


def test_devices_are_told_when_it_goes_and_comes(settings: CollectorSettings, device: Device) -> None:
    with collecting(settings):
        first = device.status()
    assert first.state == "online"
    assert device.status().state == "offline"
    with collecting(settings):
        second = device.status()
        assert second.state == "online"
        assert second.instance != first.instance


def test_the_command_collects_until_sigterm(settings: CollectorSettings, device: Device, tmp_path: Path) -> None:
    port = str(settings.mqtt.port)
    process = subprocess.Popen(
        [sys.executable, "-m", "mien", "collect", "--db", settings.database, "--port", port],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    )
    try:
        device.online()
        device.send(encode(make_observation(device.outbox, 1)))
        assert device.answer().stored == [(1, 1)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert device.status().state == "offline"
    finally:
        process.kill()
        process.communicate()


def test_a_killed_collector_is_offline_by_its_last_will(
    settings: CollectorSettings, device: Device, tmp_path: Path
) -> None:
    port = str(settings.mqtt.port)
    with subprocess.Popen(
        [sys.executable, "-m", "mien", "collect", "--db", settings.database, "--port", port],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    ) as process:
        device.online()
        process.kill()
    assert device.status().state == "offline"


def test_a_broker_that_refuses_ends_it_with_the_reason(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = start_mosquitto("allow_anonymous false")
    done = subprocess.run(
        [sys.executable, "-m", "mien", "collect", "--db", "mien.db", "--port", str(broker.port)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 6
    assert done.stderr.splitlines()[-1] == (
        f"mien: the broker at 127.0.0.1:{broker.port} refuses this client (Not authorized): "
        "check mqtt.username, mqtt.password_file and the broker's permissions"
    )


def test_a_database_that_fails_for_a_while_makes_it_busy_and_loses_nothing(
    settings: CollectorSettings, device: Device
) -> None:
    with collecting(settings):
        device.online()
        with closing(sqlite3.connect(settings.database, isolation_level=None)) as breaker:
            breaker.execute("CREATE TRIGGER broken BEFORE INSERT ON observation BEGIN SELECT RAISE(ABORT, 'no'); END")
            device.send(encode(make_observation(device.outbox, 1)))
            assert device.status().state == "busy"
            assert count(settings, "observation") == 0
            breaker.execute("DROP TRIGGER broken")
        assert device.status().state == "online"
        assert device.answer().stored == [(1, 1)]
    wait_for(lambda: count(settings, "observation") == 1)


def test_its_figures_are_for_prometheus(settings: CollectorSettings, device: Device) -> None:
    port = free_port()
    metrics = Metrics()
    with metrics.served(port), collecting(settings, metrics):
        device.online()
        good = [encode(make_observation(device.outbox, seq)) for seq in (1, 2, 4)]
        bad = encode(make_observation(device.outbox, 3)).replace(b'"happy",', b'"smug",')
        device.send(*good, good[0], b"noise", bad)
        settled: set[int] = set()
        while settled != {1, 2, 3, 4}:
            answer = device.answer()
            settled |= {seq for first, last in answer.stored for seq in range(first, last + 1)}
            settled |= {seq for seq, _ in answer.rejected}
        assert device.connection.publish(
            Message("mien/hallway/health", encode_health(make_health(device.outbox)), retain=True), wait_s=5
        )

        def figures() -> str:
            with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
                return str(answer.read().decode())

        wait_for(lambda: 'mien_gaps{device="hallway"}' in figures())
        for line in (
            "mien_stored_total 3.0",
            "mien_duplicates_total 1.0",
            'mien_rejected_total{flaw="envelope"} 1.0',
            'mien_rejected_total{flaw="body"} 1.0',
            'mien_gaps{device="hallway"} 1.0',
            "mien_online 1.0",
        ):
            assert line in figures()


def test_a_second_collector_of_its_name_ends_it_with_the_reason(settings: CollectorSettings, tmp_path: Path) -> None:
    def start(database: str) -> subprocess.Popen[str]:
        flags = ["--db", str(tmp_path / database), "--port", str(settings.mqtt.port)]
        command = [sys.executable, "-m", "mien", "collect", *flags]
        return subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)

    with start("one.db") as one:
        wait_for((tmp_path / "one.db").exists)
        with start("two.db") as two:
            wait_for(lambda: any(each.poll() is not None for each in (one, two)))
            ended = one if one.poll() is not None else two
            assert ended.returncode == 6
            assert ended.stderr is not None
            assert "is named mien-collector-collector, too: give one of them another name" in ended.stderr.read()
            for each in (one, two):
                each.kill()


def test_a_second_collector_on_its_file_is_refused(settings: CollectorSettings, tmp_path: Path) -> None:
    flags = ["--db", settings.database, "--port", str(settings.mqtt.port)]
    with Place.of(settings.database).only_collector():
        done = subprocess.run(
            [sys.executable, "-m", "mien", "collect", *flags], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 8
    assert f"another collector writes to {settings.database}: stop it, or store in PostgreSQL" in done.stderr


def test_a_postgresql_that_goes_and_comes_back_loses_nothing(
    settings: CollectorSettings, device: Device, postgresql_server: PostgreSQL
) -> None:
    settings = msgspec.structs.replace(settings, database=postgresql_server.database(uuid4().hex))
    with collecting(settings):
        device.online()
        device.send(encode(make_observation(device.outbox, 1)))
        assert device.answer().stored == [(1, 1)]
        postgresql_server.stop()
        device.send(encode(make_observation(device.outbox, 2)))
        assert device.status().state == "busy"
        postgresql_server.start()
        assert device.status().state == "online"
        assert device.answer().stored == [(2, 2)]
    with open_for_reading(settings.database).connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM emotion_log")).scalar_one() == 2


def test_a_false_state_under_its_name_is_corrected(settings: CollectorSettings, device: Device) -> None:
    with collecting(settings):
        device.online()
        false = b'{"state":"offline","instance":"%s"}' % str(uuid4()).encode()
        assert device.connection.publish(Message("mien/_collector/collector/status", false, retain=True), wait_s=5)
        assert device.status().state == "offline"
        device.online()
