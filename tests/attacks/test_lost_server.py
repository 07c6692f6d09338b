"""The server is lost, with everything on it: a backup brings it back elsewhere, and no device is touched."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from device_settings import device_mqtt_settings
from mosquitto import Mosquitto, free_port
from polling import wait_for
from running_collector import running_collector
from samples import make_draft
from sqlalchemy import text

from mien.broker.database.engine import open_for_reading
from mien.broker.settings import CollectorSettings
from mien.deploy.backup.backup import back_up
from mien.deploy.backup.restore import restore
from mien.deploy.server.folder import ServerFolder
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.delivery.publisher import Publisher
from mien.settings.load import load_settings

PASSPHRASE = "correct horse battery staple"  # noqa: S105
LOG2_ROUNDS = 4


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start(server: ServerFolder, stack: ExitStack) -> str:
    """Start its MQTT broker and its collector; returns its emotion log."""
    broker = Mosquitto(server.path / "mosquitto" / "mosquitto.conf", server.server.port).start()
    stack.callback(broker.kill)
    settings = load_settings(server.path / "collector" / "collector.toml", CollectorSettings)
    stack.enter_context(running_collector(settings))
    return settings.database


def count_rows(log: str) -> int:
    with open_for_reading(log).connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM emotion_log")).scalar_one())


def test_devices_go_on_with_a_restored_server_without_being_touched(tmp_path: Path, stack: ExitStack) -> None:
    server = ServerFolder.create(tmp_path / "server", ["localhost"], free_port())
    server.add("kitchen")
    mqtt, clock = device_mqtt_settings(server, "kitchen"), Clock("trusted")
    outbox = stack.enter_context(Outbox(tmp_path / "outbox.db", device="kitchen"))

    def observe(count: int) -> None:
        for _ in range(count):
            outbox.append(make_draft(device="kitchen"), clock.now())

    with ExitStack() as former:
        log = start(server, former)
        stack.enter_context(Publisher(mqtt, device="kitchen", model_id="0123456789ab", outbox=outbox, clock=clock))
        observe(5)
        wait_for(lambda: count_rows(log) == 5)
        back_up(server, tmp_path / "backup.age", PASSPHRASE, log2_rounds=LOG2_ROUNDS)
        observe(2)  # what arrives after the backup is lost with the server
        wait_for(lambda: count_rows(log) == 7)
    observe(3)
    shutil.rmtree(server.path)
    restored = restore(tmp_path / "backup.age", tmp_path / "new-machine" / "server", PASSPHRASE)
    log = start(restored.server, stack)
    assert str(restored.log) == log
    wait_for(lambda: count_rows(log) == 8)
    observe(4)
    wait_for(lambda: count_rows(log) == 12)
    restored.server.add("hallway")  # the authority goes on, too
    with Outbox(tmp_path / "hallway.db", device="hallway") as other:
        other.append(make_draft(device="hallway"), clock.now())
        settings = device_mqtt_settings(restored.server, "hallway")
        with Publisher(settings, device="hallway", model_id="0123456789ab", outbox=other, clock=clock) as publisher:
            assert publisher.drain(20)
    assert count_rows(log) == 13
