"""Another program keeps the log locked: nothing is acknowledged, nothing is lost, and it goes on by itself."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from mosquitto import configure_mosquitto
from mqtt_device import Device
from running_collector import running_collector
from samples import make_observation

from mien.broker.settings import CollectorSettings
from mien.messages.observation import encode_observation
from mien.mqtt.settings import MqttSettings


@pytest.mark.slow_attack
def test_rows_wait_until_the_log_is_unlocked(tmp_path: Path) -> None:
    broker = configure_mosquitto(tmp_path).start()
    device = Device(MqttSettings(port=broker.port))
    settings = CollectorSettings(database=str(tmp_path / "mien.db"), mqtt=MqttSettings(port=broker.port))
    with running_collector(settings), device.connection:
        device.wait_connected()
        device.wait_online()
        with closing(sqlite3.connect(settings.database, isolation_level=None, check_same_thread=False)) as other:
            other.execute("BEGIN IMMEDIATE")
            device.send(*(encode_observation(make_observation(device.outbox, seq)) for seq in range(1, 51)))
            busy = device.status()
            assert (busy.state, busy.reason) == ("busy", "database")
            threading.Timer(1.0, other.rollback).start()
            assert device.answers(50) == (set(range(1, 51)), {})
    broker.kill()
