"""A device sends as fast as it can while the collector does not read: the MQTT broker must not grow without bounds."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from device_settings import device_mqtt_settings
from flooder import Flooder
from mosquitto import Mosquitto
from polling import wait_for
from samples import make_draft, make_observation
from sqlalchemy import text

from mien.broker.database.engine import open_for_reading
from mien.broker.settings import CollectorSettings
from mien.deploy.server.folder import ServerFolder
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.delivery.publisher import Publisher
from mien.messages.batch import encode_batch
from mien.messages.observation import encode_observation
from mien.settings.load import load_settings

STOPPED_S = 20.0
MAX_RSS_MB = 150
HONEST_ROWS = 100
ROWS = 1800
ROWS_OF_PACKET = 60
"""In a batch that nearly fills the largest packet of the server folder."""


def single_rows(outbox: UUID) -> list[bytes]:
    return [
        encode_observation(make_observation(device="kitchen", outbox=outbox, seq=seq)) for seq in range(1, ROWS + 1)
    ]


def full_batches(outbox: UUID) -> list[bytes]:
    rows = single_rows(outbox)
    return [encode_batch(rows[start : start + ROWS_OF_PACKET]) for start in range(0, ROWS, ROWS_OF_PACKET)]


def incompressible(_outbox: UUID) -> list[bytes]:
    """As large as a packet may be, and nothing that the collector could store."""
    return [b"\x78" + os.urandom(4900) for _ in range(20)]


def batches_of_40_kb(_outbox: UUID) -> list[bytes]:
    """Larger than a packet may be."""
    return [b"\x78" + os.urandom(40_000) for _ in range(5)]


@contextmanager
def stopped(process: subprocess.Popen[bytes]) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@contextmanager
def collecting(server: ServerFolder) -> Iterator[subprocess.Popen[bytes]]:
    config = server.path / "collector" / "collector.toml"
    config.write_text('clock = "trusted"\n' + config.read_text())
    command = [sys.executable, "-m", "mien", "collect", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow_attack
@pytest.mark.parametrize("payloads", [single_rows, full_batches, incompressible, batches_of_40_kb])
def test_a_flood_while_the_collector_is_stopped_harms_nobody(
    tmp_path: Path, server: ServerFolder, broker: Mosquitto, payloads: Callable[[UUID], list[bytes]]
) -> None:
    thief, honest = device_mqtt_settings(server, "kitchen"), device_mqtt_settings(server, "hallway")
    flooder = Flooder(thief, "mien/kitchen/observation", payloads(uuid4()), "mien/kitchen/ack")
    clock = Clock("trusted")
    with (
        Outbox(tmp_path / "outbox.db", device="hallway") as outbox,
        Publisher(honest, device="hallway", model_id="0123456789ab", outbox=outbox, clock=clock) as publisher,
        collecting(server) as collector,
    ):
        wait_for(lambda: publisher.is_collector_online, 30)
        with flooding(flooder):
            if payloads in (single_rows, full_batches):
                wait_for(lambda: flooder.acknowledged, 30)
            with stopped(collector):
                for _ in range(HONEST_ROWS):
                    outbox.append(make_draft(device="hallway"), clock.now())
                time.sleep(STOPPED_S)
                assert _peak_mb(server) < MAX_RSS_MB
        assert publisher.drain(120)
    assert flooder.sent_bytes > 50_000_000
    log = load_settings(server.path / "collector" / "collector.toml", CollectorSettings).database
    with open_for_reading(log).connect() as connection:
        stored = connection.execute(text("SELECT device, seq FROM emotion_log")).all()
    assert sum(device == "hallway" for device, _ in stored) == HONEST_ROWS
    assert flooder.acknowledged <= {seq for device, seq in stored if device == "kitchen"}


@contextmanager
def flooding(flooder: Flooder) -> Iterator[None]:
    stopping = threading.Event()
    thread = threading.Thread(target=flooder.flood, args=[stopping])
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _peak_mb(server: ServerFolder) -> float:
    status = Path(f"/proc/{server.mosquitto_pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
