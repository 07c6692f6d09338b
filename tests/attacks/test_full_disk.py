"""The disk of the log fills up: nothing is acknowledged that is not stored, and it goes on once there is room."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from mosquitto import configure_mosquitto
from mqtt_device import Device
from samples import make_observation

from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_reading
from mien.messages.observation import encode_observation
from mien.mqtt.settings import MqttSettings


@pytest.mark.slow_attack
def test_rows_wait_until_there_is_room(tmp_path: Path) -> None:
    broker = configure_mosquitto(tmp_path).start()
    device = Device(MqttSettings(port=broker.port))
    log = tmp_path / "mien.db"
    command = [sys.executable, "-m", "mien", "collect", "--db", str(log), "--port", str(broker.port)]
    with device.connection, subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as collector:
        device.wait_connected()
        device.wait_online()
        size_bytes = max(file.stat().st_size for file in tmp_path.glob("mien.db*"))
        resource.prlimit(collector.pid, resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))
        device.send(*(encode_observation(make_observation(device.outbox, seq)) for seq in range(1, 201)))
        assert device.status().state == "busy"
        resource.prlimit(collector.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert device.answers(200) == (set(range(1, 201)), {})
        collector.terminate()
        assert collector.wait(30) == 0
    assert not any(check_log(open_for_reading(str(log))).problems.values())
    broker.kill()
