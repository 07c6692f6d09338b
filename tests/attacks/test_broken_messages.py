"""A device sends what no parser should have to read, on every topic that it may write."""

import random
import zlib
from pathlib import Path

import msgspec
import pytest
from mosquitto import configure_mosquitto
from mqtt_device import Device
from running_collector import running_collector
from samples import make_health, make_observation

from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_reading
from mien.broker.settings import CollectorSettings
from mien.messages.health import encode_health
from mien.messages.observation import encode_observation
from mien.mqtt.events import Message
from mien.mqtt.settings import MqttSettings

DEEP = b"[" * 100_000
HUGE_NUMBER = b'{"schema":1,"kind":"observation","seq":1' + b"0" * 100_000 + b"}"
BOMB = zlib.compress(bytes(50_000_000))


def broken_payloads(valid: bytes, source: random.Random) -> list[bytes]:
    noise = [source.randbytes(source.randrange(1, 400)) for _ in range(100)]
    cut = [valid[: source.randrange(len(valid))] for _ in range(50)]
    return [
        *noise,
        *cut,
        DEEP,
        HUGE_NUMBER,
        BOMB,
        b"null",
        b"{}",
        b"\xff\xfe",
        b'"\\ud800"',
        valid.replace(b"1", b"-1"),
    ]


@pytest.mark.parametrize("log", ["sqlite", "postgresql"], indirect=True)
def test_the_collector_reads_on_and_the_log_stays_sound(tmp_path: Path, log: str) -> None:
    source = random.Random(25)
    broker = configure_mosquitto(tmp_path).start()
    mqtt = MqttSettings(port=broker.port)
    attacker, honest = Device(mqtt, "kitchen"), Device(mqtt, "hallway")
    observation, health = encode_observation(make_observation()), encode_health(make_health())
    settings = CollectorSettings(database=log, mqtt=mqtt)
    with running_collector(settings), attacker.connection, honest.connection:
        for device in (attacker, honest):
            device.wait_connected()
            device.wait_online()
        for topic in ("observation", "status", "health", "motion"):
            for payload in broken_payloads(health if topic == "health" else observation, source):
                attacker.connection.publish(Message(f"mien/kitchen/{topic}", payload))
        honest.send(encode_observation(make_observation(honest.outbox, 1)))
        assert honest.answers(1) == ({1}, {})
    report = check_log(open_for_reading(log))
    assert not any(report.problems.values())
    assert msgspec.json.decode(observation)["device"] not in report.gaps
    broker.kill()
