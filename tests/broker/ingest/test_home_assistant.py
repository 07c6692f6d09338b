"""Devices appear in Home Assistant: its discovery messages, with their templates rendered from real payloads."""

import json
import queue
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import jinja2
import msgspec
import pytest
from mosquitto import Mosquitto
from running_collector import running_collector
from samples import make_health, make_observation
from uuid6 import uuid7

from mien.broker.settings import CollectorSettings
from mien.emotions import EMOTIONS
from mien.messages.batch import encode_batch
from mien.messages.dropped import Dropped, encode_dropped
from mien.messages.health import CameraHealth, MachineHealth, SensorHealth, VisionHealth, encode_health
from mien.messages.motion import MotionState, encode_motion
from mien.messages.observation import encode_observation
from mien.messages.status import DeviceStatus, encode_device_status
from mien.mqtt.connection import Connection
from mien.mqtt.events import Connected, Event, Message, Received
from mien.mqtt.settings import MqttSettings

OUTBOX = UUID("5c7b7a3e-38f0-4a44-9b1d-3d2b3f1f9a10")
ONLINE = encode_device_status(DeviceStatus(state="online", agent="0.1.0", model="0123456789ab"))


class Client:
    """An MQTT client that plays both Home Assistant and the devices."""

    def __init__(self, port: int) -> None:
        self._events: queue.Queue[Event] = queue.Queue()
        self.connection = Connection(
            MqttSettings(port=port),
            client_id="test",
            will=Message("homeassistant/status", b"offline"),
            subscriptions=["homeassistant/device/+/config"],
            events=self._events,
        )

    def wait_until_connected(self) -> None:
        while not isinstance(self._events.get(timeout=15), Connected):
            pass

    def discovery(self, timeout_s: float = 15) -> tuple[str, dict[str, Any]]:
        """The next topic and discovery payload. queue.Empty after the timeout."""
        while True:
            event = self._events.get(timeout=timeout_s)
            if isinstance(event, Received):
                return event.topic, json.loads(event.payload)

    def publish(self, topic: str, payload: bytes, *, retain: bool = True) -> None:
        assert self.connection.publish(Message(topic, payload, retain=retain), wait_s=5)


@pytest.fixture
def broker(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return start_mosquitto()


@pytest.fixture
def client(broker: Mosquitto) -> Iterator[Client]:
    client = Client(broker.port)
    with client.connection:
        client.wait_until_connected()
        yield client


@pytest.fixture
def settings(tmp_path: Path, broker: Mosquitto) -> CollectorSettings:
    return CollectorSettings(database=str(tmp_path / "mien.db"), mqtt=MqttSettings(port=broker.port))


def test_a_device_is_announced_once_and_again_when_home_assistant_restarts(
    client: Client, settings: CollectorSettings
) -> None:
    with running_collector(settings):
        client.publish("mien/hallway/status", ONLINE)
        topic, payload = client.discovery()
        assert topic == "homeassistant/device/hallway/config"
        assert payload["device"]["name"] == "hallway"
        client.publish(
            "mien/hallway/status",
            encode_device_status(DeviceStatus(state="offline", agent="0.1.0", model="0123456789ab")),
        )
        client.publish("mien/hallway/status", ONLINE)
        client.publish("mien/kitchen/status", ONLINE)
        assert client.discovery()[0] == "homeassistant/device/kitchen/config"  # hallway was not announced again
        client.publish("homeassistant/status", b"offline")
        client.publish("homeassistant/status", b"online")
        assert sorted([client.discovery()[0], client.discovery()[0]]) == [
            "homeassistant/device/hallway/config",
            "homeassistant/device/kitchen/config",
        ]


def test_the_announcement_is_retained_for_home_assistant(client: Client, settings: CollectorSettings) -> None:
    client.publish("mien/hallway/status", ONLINE)  # retained for a collector that starts later
    with running_collector(settings):
        client.discovery()
    later = Client(settings.mqtt.address[1])
    with later.connection:
        assert later.discovery()[0] == "homeassistant/device/hallway/config"


def test_a_new_version_of_the_agent_is_announced(client: Client, settings: CollectorSettings) -> None:
    with running_collector(settings):
        client.publish("mien/hallway/status", ONLINE)
        assert client.discovery()[1]["device"]["sw_version"] == "0.1.0"
        client.publish(
            "mien/hallway/status",
            encode_device_status(DeviceStatus(state="online", agent="0.2.0", model="0123456789ab")),
        )
        assert client.discovery()[1]["device"]["sw_version"] == "0.2.0"


def test_invalid_messages_announce_nothing_and_discovery_can_be_disabled(
    client: Client, settings: CollectorSettings
) -> None:
    with running_collector(settings):
        client.publish("mien/hallway/status", b"{}")
        client.publish("mien/Not a device/status", ONLINE)
        client.publish("mien/kitchen/status", ONLINE)
        assert client.discovery()[0] == "homeassistant/device/kitchen/config"
    disabled = msgspec.structs.replace(settings, discovery_prefix="")
    client.publish("mien/garden/status", ONLINE)
    with running_collector(disabled):
        client.publish("homeassistant/status", b"online")
        with pytest.raises(queue.Empty):
            client.discovery(timeout_s=2)


def test_the_templates_read_what_devices_send(client: Client, settings: CollectorSettings) -> None:
    with running_collector(settings):
        client.publish("mien/hallway/status", ONLINE)
        _, payload = client.discovery()
    health = msgspec.structs.replace(
        make_health(OUTBOX),
        sensor=SensorHealth(kind="pir", state="stuck", wakes_last_hour=3, period_s=None),
        camera=CameraHealth(kind="rpicam", state="failing", failures=2, error="no cable"),
        vision=VisionHealth(
            frames=9,
            faces=8,
            too_small=1,
            blurred=0,
            frame_ms_p50=80.5,
            frame_ms_p95=91.25,
            inference_ms_p50=4,
            inference_ms_p95=5,
        ),
        machine=MachineHealth(clock="synced", disk_free_bytes=25_600_000_000, temperature_celsius=48.3, throttled=None),
    )
    loss = Dropped(
        id=uuid7(), device="hallway", outbox=OUTBOX, seq=9, first=1, last=8, cause="full", at=datetime.now(UTC)
    )
    observation = make_observation(OUTBOX)
    messages = [
        (
            "observation",
            encode_observation(observation),
            {"emotion": observation.emotion, "confidence": f"{observation.confidence * 100:.1f}"},
        ),
        ("observation", encode_dropped(loss), {"emotion": "sad", "confidence": ""}),
        ("observation", encode_batch([encode_observation(observation)]), {"emotion": "sad", "confidence": ""}),
        ("motion", encode_motion(MotionState(state="on", since=datetime.now(UTC))), {"motion": "on"}),
        (
            "health",
            encode_health(health),
            {
                "waiting": str(health.outbox.waiting),
                "sensor": "stuck",
                "camera": "ON",
                "frame": "91.25",
                "temperature": "48.3",
                "throttled": "None",
                "disk": "23.84",
            },
        ),
        (
            "health",  # of a device that only has an outbox
            encode_health(make_health(OUTBOX)),
            {
                "sensor": "None",
                "camera": "None",  # Home Assistant shows it as unknown
                "frame": "None",
                "temperature": "None",
                "throttled": "None",
                "disk": "None",
            },
        ),
    ]
    erased = {
        "waiting": "",
        "sensor": "None",
        "camera": "",
        "frame": "",
        "temperature": "",
        "throttled": "",
        "disk": "",
    }
    messages += [("health", b"", erased), ("motion", b"", {"motion": ""})]
    rendered: set[str] = set()
    for kind, message, expected in messages:
        for name, value in expected.items():
            component = payload["components"][name]
            assert component["state_topic"] == f"mien/hallway/{kind}"
            assert _render(component["value_template"], message) == value
            rendered.add(name)
    assert rendered == payload["components"].keys()
    assert payload["components"]["emotion"]["options"] == list(EMOTIONS)
    assert payload["components"]["sensor"]["options"] == ["warming_up", "ok", "stuck", "periodic"]
    for name in ("emotion", "confidence"):
        assert payload["components"][name]["encoding"] == "", "a batch is not text"
    availability = payload["availability_template"]
    assert payload["availability_topic"] == "mien/hallway/status"
    assert _render(availability, ONLINE) == "online"
    assert _render(availability, b"") == "offline"
    for state in ("stopped", "offline"):
        status = DeviceStatus(state=state, agent="0.1.0", model="0123456789ab")  # type: ignore[arg-type]
        assert _render(availability, encode_device_status(status)) == "offline"


def test_every_entity_has_a_unique_id(client: Client, settings: CollectorSettings) -> None:
    with running_collector(settings):
        client.publish("mien/hallway/status", ONLINE)
        client.publish("mien/kitchen/status", ONLINE)
        payloads = [client.discovery()[1], client.discovery()[1]]
    unique_ids = [component["unique_id"] for payload in payloads for component in payload["components"].values()]
    assert len(unique_ids) == len(set(unique_ids))
    assert {component["platform"] for component in payloads[0]["components"].values()} == {"sensor", "binary_sensor"}
    assert {"device", "origin"} <= payloads[0].keys()  # required by Home Assistant


def _render(template: str, message: bytes) -> str:
    """As Home Assistant does: without `value_json` if the message is no JSON; the entity's state is `sad`."""
    values: dict[str, Any] = {"this": {"state": "sad"}}
    with suppress(ValueError):
        values["value_json"] = json.loads(message)
    environment = jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined)  # noqa: S701
    return environment.from_string(template).render(values)
