"""The real `mien collect` against a real mosquitto."""

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
from mosquitto import Mosquitto, free_port
from mqtt_device import Device
from polling import wait_for
from postgresql import PostgreSQL
from running_collector import running_collector
from samples import make_health, make_observation
from sqlalchemy import text

from mien.broker.database.engine import open_for_reading
from mien.broker.database.location import DatabaseLocation
from mien.broker.ingest.metrics import Metrics
from mien.broker.settings import CollectorSettings
from mien.messages.health import encode_health
from mien.messages.observation import encode_observation
from mien.mqtt.events import Message
from mien.mqtt.settings import MqttSettings


@pytest.fixture
def settings(tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]) -> CollectorSettings:
    return CollectorSettings(database=str(tmp_path / "mien.db"), mqtt=MqttSettings(port=start_mosquitto().port))


@pytest.fixture
def device(settings: CollectorSettings) -> Iterator[Device]:
    device = Device(settings.mqtt)
    with device.connection:
        device.wait_connected()
        yield device


def count(settings: CollectorSettings, table: str) -> int:
    with closing(sqlite3.connect(settings.database)) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 (a constant)


def test_it_acknowledges_what_it_has_committed(settings: CollectorSettings, device: Device) -> None:
    with running_collector(settings):
        device.wait_online()
        device.send(*(encode_observation(make_observation(device.outbox, seq)) for seq in (1, 2, 3, 7)))
        acked: set[tuple[int, int]] = set()
        while sum(last - first + 1 for first, last in acked) < 4:
            acknowledgement = device.acknowledgement()
            assert acknowledgement.outbox == device.outbox
            acked |= set(acknowledgement.stored)
            assert count(settings, "observation") >= sum(last - first + 1 for first, last in acked)


def test_a_duplicate_is_acknowledged_but_not_stored(settings: CollectorSettings, device: Device) -> None:
    payload = encode_observation(make_observation(device.outbox, 1))
    with running_collector(settings):
        device.wait_online()
        for _ in range(2):
            device.send(payload)
            assert device.acknowledgement().stored == [(1, 1)]
    assert count(settings, "observation") == 1


def test_a_rejected_observation_is_acknowledged_with_the_reason(settings: CollectorSettings, device: Device) -> None:
    payload = encode_observation(make_observation(device.outbox, 4)).replace(b'"happy",', b'"smug",')
    with running_collector(settings):
        device.wait_online()
        device.send(b"\x00 noise", payload)
        assert device.acknowledgement().rejected == [(4, "Invalid enum value 'smug' - at `$.emotion`")]
    assert count(settings, "rejected") == 2


def test_it_publishes_when_it_starts_and_stops(settings: CollectorSettings, device: Device) -> None:
    with running_collector(settings):
        first = device.status()
    assert first.state == "online"
    assert device.status().state == "offline"
    with running_collector(settings):
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
        device.wait_online()
        device.send(encode_observation(make_observation(device.outbox, 1)))
        assert device.acknowledgement().stored == [(1, 1)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert device.status().state == "offline"
    finally:
        process.kill()
        process.communicate()


def test_the_last_will_of_a_killed_collector_reports_offline(
    settings: CollectorSettings, device: Device, tmp_path: Path
) -> None:
    port = str(settings.mqtt.port)
    with subprocess.Popen(
        [sys.executable, "-m", "mien", "collect", "--db", settings.database, "--port", port],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    ) as process:
        device.wait_online()
        process.kill()
    assert device.status().state == "offline"


def test_it_exits_with_the_reason_if_the_mqtt_broker_refuses_it(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = start_mosquitto("allow_anonymous false")
    result = subprocess.run(
        [sys.executable, "-m", "mien", "collect", "--db", "mien.db", "--port", str(broker.port)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 6
    assert result.stderr.splitlines()[-1] == (
        f"mien: the MQTT broker at 127.0.0.1:{broker.port} refused this client (Not authorized): "
        "check mqtt.username, mqtt.password_file and the broker's ACL"
    )


def test_it_is_busy_while_the_database_fails_and_loses_nothing(settings: CollectorSettings, device: Device) -> None:
    with running_collector(settings):
        device.wait_online()
        with closing(sqlite3.connect(settings.database, isolation_level=None)) as database:
            database.execute("CREATE TRIGGER broken BEFORE INSERT ON observation BEGIN SELECT RAISE(ABORT, 'no'); END")
            device.send(encode_observation(make_observation(device.outbox, 1)))
            assert device.status().state == "busy"
            assert count(settings, "observation") == 0
            database.execute("DROP TRIGGER broken")
        assert device.status().state == "online"
        assert device.acknowledgement().stored == [(1, 1)]
    wait_for(lambda: count(settings, "observation") == 1)


def test_it_serves_metrics_to_prometheus(settings: CollectorSettings, device: Device) -> None:
    port = free_port()
    metrics = Metrics()
    with metrics.serve(port), running_collector(settings, metrics):
        device.wait_online()
        valid = [encode_observation(make_observation(device.outbox, seq)) for seq in (1, 2, 4)]
        invalid = encode_observation(make_observation(device.outbox, 3)).replace(b'"happy",', b'"smug",')
        device.send(*valid, valid[0], b"noise", invalid)
        acked: set[int] = set()
        while acked != {1, 2, 3, 4}:
            acknowledgement = device.acknowledgement()
            acked |= {seq for first, last in acknowledgement.stored for seq in range(first, last + 1)}
            acked |= {seq for seq, _ in acknowledgement.rejected}
        assert device.connection.publish(
            Message("mien/hallway/health", encode_health(make_health(device.outbox)), retain=True), wait_s=5
        )

        def read_metrics() -> str:
            with urlopen(f"http://127.0.0.1:{port}/metrics") as response:
                return str(response.read().decode())

        wait_for(lambda: 'mien_gaps{device="hallway"}' in read_metrics())
        for line in (
            "mien_stored_total 3.0",
            "mien_duplicates_total 1.0",
            'mien_rejected_total{reason="envelope"} 1.0',
            'mien_rejected_total{reason="body"} 1.0',
            'mien_gaps{device="hallway"} 1.0',
            "mien_online 1.0",
        ):
            assert line in read_metrics()


def test_it_exits_with_the_reason_if_another_collector_uses_its_file(
    settings: CollectorSettings, tmp_path: Path
) -> None:
    flags = ["--db", settings.database, "--port", str(settings.mqtt.port)]
    with DatabaseLocation.parse(settings.database).collector_lock():
        result = subprocess.run(
            [sys.executable, "-m", "mien", "collect", *flags], capture_output=True, text=True, timeout=60, check=False
        )
    assert result.returncode == 8
    assert f"another collector writes to {settings.database}: stop it, or use PostgreSQL" in result.stderr


def test_a_restart_of_postgresql_loses_nothing(
    settings: CollectorSettings, device: Device, postgresql_server: PostgreSQL
) -> None:
    settings = msgspec.structs.replace(settings, database=postgresql_server.database(uuid4().hex))
    with running_collector(settings):
        device.wait_online()
        device.send(encode_observation(make_observation(device.outbox, 1)))
        assert device.acknowledgement().stored == [(1, 1)]
        postgresql_server.stop()
        device.send(encode_observation(make_observation(device.outbox, 2)))
        assert device.status().state == "busy"
        postgresql_server.start()
        assert device.status().state == "online"
        assert device.acknowledgement().stored == [(2, 2)]
    with open_for_reading(settings.database).connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM emotion_log")).scalar_one() == 2


def test_a_wrong_status_under_its_name_is_corrected(settings: CollectorSettings, device: Device) -> None:
    with running_collector(settings):
        device.wait_online()
        wrong = b'{"state":"offline","instance":"%s"}' % str(uuid4()).encode()
        assert device.connection.publish(Message("mien/_collector/collector/status", wrong, retain=True), wait_s=5)
        assert device.status().state == "offline"
        device.wait_online()
