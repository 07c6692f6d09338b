"""A power cut while the collector creates its log: the next start completes it."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from mosquitto import configure_mosquitto
from mqtt_device import Device
from running_collector import running_collector
from samples import make_observation

from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_reading
from mien.broker.settings import CollectorSettings
from mien.messages.observation import encode_observation
from mien.mqtt.settings import MqttSettings


@pytest.mark.slow_attack
def test_a_log_whose_creation_was_killed_is_usable_after_the_next_start(tmp_path: Path) -> None:
    broker = configure_mosquitto(tmp_path).start()
    for number in range(12):
        folder = tmp_path / str(number)
        folder.mkdir()
        log = folder / "mien.db"
        command = [sys.executable, "-m", "mien", "collect", "--db", str(log), "--port", str(broker.port)]
        with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL) as collector:
            while not list(folder.glob("mien.db*")) and collector.poll() is None:
                time.sleep(0.002)
            time.sleep(0.01 * number)
            collector.kill()
        device = Device(MqttSettings(port=broker.port))
        settings = CollectorSettings(database=str(log), mqtt=MqttSettings(port=broker.port))
        with running_collector(settings), device.connection:
            device.wait_connected()
            device.wait_online()
            device.send(encode_observation(make_observation(device.outbox, 1)))
            assert device.answers(1) == ({1}, {})
        assert not any(check_log(open_for_reading(str(log))).problems.values())
    broker.kill()
