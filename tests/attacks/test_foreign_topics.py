"""A device writes and reads topics that are not its own."""

import pytest
from device_settings import device_mqtt_settings
from mosquitto import Mosquitto
from raw_client import connect

from mien.broker.settings import CollectorSettings
from mien.deploy.server.folder import ServerFolder
from mien.settings.load import load_settings


@pytest.mark.parametrize(
    "topic",
    [
        "mien/hallway/observation",
        "mien/hallway/status",
        "mien/hallway/health",
        "mien/hallway/motion",
        "mien/hallway/ack",
        "mien/kitchen/ack",
        "mien/kitchen/model/desired",
        "mien/_collector/collector/status",
        "homeassistant/device/kitchen/config",
        "homeassistant/status",
        "$SYS/broker/uptime",
        "anything",
    ],
)
def test_a_device_may_write_only_its_own_topics(server: ServerFolder, broker: Mosquitto, topic: str) -> None:
    with connect(device_mqtt_settings(server, "kitchen")) as client:
        client.next("connected")
        assert client.publish(topic) == "Not authorized"
        for own in ("observation", "status", "health", "motion", "model/state"):
            assert client.publish(f"mien/kitchen/{own}") != "Not authorized"


def test_a_device_may_read_only_what_is_for_it(server: ServerFolder, broker: Mosquitto) -> None:
    kitchen_mqtt, collector_mqtt = device_mqtt_settings(server, "kitchen"), _collector(server).mqtt
    with connect(kitchen_mqtt) as kitchen, connect(collector_mqtt) as collector:
        kitchen.next("connected")
        collector.next("connected")
        for topic in ("mien/hallway/ack", "mien/+/observation", "mien/+/status", "#", "$SYS/#", "mien/kitchen/ack"):
            kitchen.subscribe(topic)
        assert collector.publish("mien/hallway/ack") != "Not authorized"
        assert collector.publish("mien/hallway/status") != "Not authorized"
        assert collector.publish("mien/kitchen/ack") != "Not authorized"
        assert kitchen.next("message") == "mien/kitchen/ack"  # and nothing before it


@pytest.mark.parametrize("topic", ["mien/hallway/status", "mien/_collector/collector/status"])
def test_a_last_will_reaches_no_foreign_topic(server: ServerFolder, broker: Mosquitto, topic: str) -> None:
    mqtt = device_mqtt_settings(server, "kitchen")
    with connect(_collector(server).mqtt) as collector:
        collector.next("connected")
        for readable in ("mien/+/status", "mien/_collector/collector/status"):
            collector.subscribe(readable)
        for will_topic in (topic, "mien/kitchen/status"):
            with connect(mqtt, will_topic=will_topic) as client:
                client.next("connected")
                client.vanish()
        assert collector.next("message") == "mien/kitchen/status"  # and nothing before it


def _collector(server: ServerFolder) -> CollectorSettings:
    return load_settings(server.path / "collector" / "collector.toml", CollectorSettings)
