"""A device joins the group among which the MQTT broker distributes the observations, and so takes some of them.

mosquitto deals a share even to clients that may not read the topic, and delivers it to nobody.
"""

from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from device_settings import device_mqtt_settings
from mosquitto import Mosquitto, free_port
from mqtt_device import Device
from postgresql import PostgreSQL
from raw_client import connect
from running_collector import running_collector
from samples import make_observation

from mien.broker.settings import CollectorSettings
from mien.deploy.server.folder import ServerFolder
from mien.errors import ConfigurationError
from mien.messages.observation import encode_observation
from mien.settings.load import load_settings, to_settings

ROWS = 60
GUESSES = ("mien", "collector", "collectors", "_collector", "shared", "kitchen")


@pytest.fixture
def collector(server: ServerFolder, postgresql_server: PostgreSQL) -> CollectorSettings:
    """The settings of a collector that shares the observations with others."""
    settings = load_settings(server.path / "collector" / "postgresql.toml", CollectorSettings)
    assert settings.shared_subscription
    return msgspec.structs.replace(settings, database=postgresql_server.database(uuid4().hex))


def send_once(device: Device) -> None:
    """Send rows, none of which is sent again."""
    rows = [make_observation(device=device.name, outbox=device.outbox, seq=seq) for seq in range(1, ROWS + 1)]
    device.send(*map(encode_observation, rows))


def test_a_device_that_guesses_takes_nothing(
    server: ServerFolder, broker: Mosquitto, collector: CollectorSettings
) -> None:
    hallway = Device(device_mqtt_settings(server, "hallway"))
    with (
        connect(device_mqtt_settings(server, "kitchen")) as thief,
        running_collector(collector),
        hallway.connection,
    ):
        thief.next("connected")
        for group in GUESSES:
            for topic in ("mien/+/observation", "mien/hallway/observation", "#"):
                thief.subscribe(f"$share/{group}/{topic}")
        hallway.wait_connected()
        hallway.wait_online()
        send_once(hallway)
        stored, rejected = hallway.answers(ROWS)
    assert (len(stored), rejected) == (ROWS, {})


def test_whoever_knows_the_group_takes_a_share(
    server: ServerFolder, broker: Mosquitto, collector: CollectorSettings
) -> None:
    """Why its name must be secret; without this the test above would prove nothing."""
    hallway = Device(device_mqtt_settings(server, "hallway"))
    stored: set[int] = set()
    with (
        connect(device_mqtt_settings(server, "kitchen")) as thief,
        running_collector(collector),
        hallway.connection,
    ):
        thief.next("connected")
        hallway.wait_connected()
        hallway.wait_online()
        thief.subscribe(f"$share/{collector.shared_group}/mien/+/observation")
        send_once(hallway)
        while not stored & {ROWS - 1, ROWS}:  # those before have been answered then, if they arrived
            for first, last in hallway.acknowledgement().stored:
                stored |= {*range(first, last + 1)}
    assert len(stored) == ROWS // 2


def test_no_device_can_read_the_group_s_name(
    tmp_path: Path, server: ServerFolder, broker: Mosquitto, collector: CollectorSettings
) -> None:
    other = ServerFolder.create(tmp_path / "other", ["localhost"], free_port())
    other_settings = load_settings(other.path / "collector" / "postgresql.toml", CollectorSettings)
    group = collector.shared_group
    assert group is not None
    assert group != other_settings.shared_group
    assert len(group) == 32
    for file in (server.path / "devices").rglob("*"):
        assert file.is_dir() or group not in file.read_text()
    readable: list[bytes] = []
    with connect(device_mqtt_settings(server, "kitchen")) as thief, running_collector(collector):
        thief.next("connected")
        thief.client.on_message = lambda _c, _d, message: readable.append(message.topic.encode() + message.payload)
        for topic in ("#", "$SYS/#", "$share/#", "mien/_collector/+/status"):
            thief.client.subscribe(topic, 1)
        hallway = Device(device_mqtt_settings(server, "hallway"))
        with hallway.connection:
            hallway.wait_connected()
            hallway.wait_online()
            send_once(hallway)
            hallway.answers(ROWS)
    assert readable  # the collector's status, at least
    assert not any(group.encode() in content for content in readable)


@pytest.mark.parametrize("shared_group", [{}, {"shared_group": "mien"}, {"shared_group": "#" * 16}])
def test_a_group_that_anybody_could_guess_is_refused(shared_group: dict[str, str]) -> None:
    values = {"database": "postgresql://db/mien", "shared_subscription": True, **shared_group}
    with pytest.raises(ConfigurationError, match="shared_group"):
        to_settings(values, CollectorSettings, source="collector.toml")
