"""A device connects under the client ID of the collector or of another device, to throw it out."""

import re
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from device_settings import device_mqtt_settings
from mosquitto import Mosquitto
from mqtt_device import Device
from polling import wait_for
from raw_client import connect
from running_collector import running_collector
from samples import make_observation
from sqlalchemy import text

from mien.broker.database.engine import open_for_reading
from mien.broker.settings import CollectorSettings
from mien.deploy.server.collectors import add_collector
from mien.deploy.server.folder import ServerFolder
from mien.edge.health.broker_check import check_broker
from mien.messages.observation import encode_observation
from mien.settings.load import load_settings

STOLEN_IDS = ("_collector-collector", "_collector", "mien-collector-collector", "hallway", "mien-hallway")


def first_collector(server: ServerFolder) -> CollectorSettings:
    return load_settings(server.path / "collector" / "collector.toml", CollectorSettings)


def send_rows(device: Device, first: int, last: int) -> set[int]:
    """Send each row once; returns the numbers of those that were stored."""
    rows = [make_observation(device=device.name, outbox=device.outbox, seq=seq) for seq in range(first, last + 1)]
    device.send(*map(encode_observation, rows))
    stored, _ = device.answers(len(rows))
    return stored


def thrown_out(log: Path) -> set[str]:
    """Whose connections the MQTT broker has ended because of another with the same client ID."""
    return set(re.findall("Client (.+) already connected, closing old connection", log.read_text()))


@pytest.mark.parametrize("version", [5, 4])
def test_a_client_id_that_is_another_s_harms_nobody(
    server: ServerFolder, broker: Mosquitto, broker_log: Path, version: int
) -> None:
    thief, hallway = device_mqtt_settings(server, "kitchen"), Device(device_mqtt_settings(server, "hallway"))
    with running_collector(first_collector(server)), hallway.connection:
        hallway.wait_connected()
        hallway.wait_online()
        for number, client_id in enumerate(STOLEN_IDS):
            with connect(thief, client_id=client_id, version=version) as client:
                assert client.next("connected") == "Success"
                assert len(send_rows(hallway, 10 * number + 1, 10 * number + 10)) == 10
    assert thrown_out(broker_log) <= {"kitchen"}
    assert broker_log.read_text().count(" as kitchen (") == len(STOLEN_IDS)


def test_a_device_that_is_copied_throws_out_only_itself_and_the_log_says_who(
    server: ServerFolder, broker: Mosquitto, broker_log: Path
) -> None:
    mqtt = device_mqtt_settings(server, "kitchen")
    with connect(mqtt, client_id="one") as first, connect(mqtt, client_id="two") as second:
        assert first.next("connected") == second.next("connected") == "Success"
        first.next("disconnected")
        assert thrown_out(broker_log) == {"kitchen"}
        assert len(re.findall(r"New client connected from 127\.0\.0\.1:\d+ as kitchen ", broker_log.read_text())) == 2


def test_collectors_of_one_folder_do_not_throw_each_other_out(
    tmp_path: Path, server: ServerFolder, broker: Mosquitto, broker_log: Path
) -> None:
    second = load_settings(add_collector(server, "second").config, CollectorSettings)
    assert second.shared_subscription
    assert second.shared_group == first_collector(server).shared_group
    settings = [first_collector(server), second]
    alone = [  # each with a log of its own, and all messages
        msgspec.structs.replace(one, database=str(tmp_path / f"{one.name}.db"), shared_subscription=False)
        for one in settings
    ]
    hallway = Device(device_mqtt_settings(server, "hallway"))
    with ExitStack() as stack:
        stack.enter_context(hallway.connection)
        hallway.wait_connected()
        for one in alone:
            stack.enter_context(running_collector(one))
            hallway.wait_online()
        send_rows(hallway, 1, 20)
        wait_for(lambda: all(_count_rows(one.database) == 20 for one in alone))
    assert thrown_out(broker_log) == set()


def test_a_collector_names_another_that_has_its_name_and_certificate(
    tmp_path: Path, server: ServerFolder, broker: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    first = first_collector(server)
    second = msgspec.structs.replace(first, database=str(tmp_path / "second.db"))
    with running_collector(first), running_collector(second):
        wait_for(lambda: "another collector is also named collector" in caplog.text, timeout_s=60)


def test_the_doctor_does_not_throw_out_a_running_agent(
    server: ServerFolder, broker: Mosquitto, broker_log: Path
) -> None:
    mqtt = device_mqtt_settings(server, "kitchen")
    with connect(mqtt) as agent:
        agent.next("connected")
        results = {result.subject: result for result in check_broker(mqtt, "kitchen", is_agent_running=True)}
        assert agent.publish("mien/kitchen/motion") != "Not authorized"
    assert results["broker"].level == "ok"
    assert "TLSv1.3" in results["broker"].message
    assert "an agent is running" in results["permissions"].message
    assert thrown_out(broker_log) == set()


def _count_rows(log: str) -> int:
    with open_for_reading(log).connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM emotion_log")).scalar_one())
