"""Devices appear in Home Assistant: what it would read, rendered from what devices really send."""

import json
import queue
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import jinja2
import msgspec
import pytest
from collecting import collecting
from mosquitto import Mosquitto
from samples import make_health, make_observation
from uuid6 import uuid7

from mien.broker.settings import CollectorSettings
from mien.connection import Connected, Connection, Event, Message, Received
from mien.dropped import Dropped
from mien.dropped import encode as encode_dropped
from mien.emotions import EMOTIONS
from mien.health import CameraHealth, MachineHealth, SensorHealth, VisionHealth
from mien.health import encode as encode_health
from mien.motion import MotionState
from mien.motion import encode as encode_motion
from mien.mqtt import Mqtt
from mien.observation import encode as encode_observation
from mien.status import DeviceStatus
from mien.status import encode as encode_status

OUTBOX = UUID("5c7b7a3e-38f0-4a44-9b1d-3d2b3f1f9a10")
ONLINE = encode_status(DeviceStatus(state="online", agent="0.1.0", model="0123456789ab"))


class House:
    """Home Assistant, and the devices, as far as the broker knows."""

    def __init__(self, port: int) -> None:
        self._events: queue.Queue[Event] = queue.Queue()
        self.connection = Connection(
            Mqtt(port=port),
            client_id="house",
            will=Message("homeassistant/status", b"offline"),
            subscriptions=["homeassistant/device/+/config"],
            events=self._events,
        )

    def wait_until_connected(self) -> None:
        while not isinstance(self._events.get(timeout=15), Connected):
            pass

    def device(self, timeout_s: float = 15) -> tuple[str, dict[str, Any]]:
        """The next topic and discovery payload. queue.Empty if none comes."""
        while True:
            event = self._events.get(timeout=timeout_s)
            if isinstance(event, Received):
                return event.topic, json.loads(event.payload)

    def say(self, topic: str, payload: bytes, *, retain: bool = True) -> None:
        assert self.connection.publish(Message(topic, payload, retain=retain), wait_s=5)


@pytest.fixture
def broker(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return start_mosquitto()


@pytest.fixture
def house(broker: Mosquitto) -> Iterator[House]:
    house = House(broker.port)
    with house.connection:
        house.wait_until_connected()
        yield house


@pytest.fixture
def settings(tmp_path: Path, broker: Mosquitto) -> CollectorSettings:
    return CollectorSettings(database=str(tmp_path / "mien.db"), mqtt=Mqtt(port=broker.port))


def test_a_device_is_made_known_once_and_again_when_home_assistant_comes_back(
    house: House, settings: CollectorSettings
) -> None:
    with collecting(settings):
        house.say("mien/hallway/status", ONLINE)
        topic, payload = house.device()
        assert topic == "homeassistant/device/hallway/config"
        assert payload["device"]["name"] == "hallway"
        house.say(
            "mien/hallway/status", encode_status(DeviceStatus(state="offline", agent="0.1.0", model="0123456789ab"))
        )
        house.say("mien/hallway/status", ONLINE)
        house.say("mien/kitchen/status", ONLINE)
        assert house.device()[0] == "homeassistant/device/kitchen/config"  # hallway is known
        house.say("homeassistant/status", b"offline")
        house.say("homeassistant/status", b"online")
        assert sorted([house.device()[0], house.device()[0]]) == [
            "homeassistant/device/hallway/config",
            "homeassistant/device/kitchen/config",
        ]


def test_it_is_retained_for_a_home_assistant_that_comes_later(house: House, settings: CollectorSettings) -> None:
    house.say("mien/hallway/status", ONLINE)  # retained, so that a collector that comes later knows it
    with collecting(settings):
        house.device()
    later = House(settings.mqtt.address[1])
    with later.connection:
        assert later.device()[0] == "homeassistant/device/hallway/config"


def test_an_agent_s_new_version_is_told(house: House, settings: CollectorSettings) -> None:
    with collecting(settings):
        house.say("mien/hallway/status", ONLINE)
        assert house.device()[1]["device"]["sw_version"] == "0.1.0"
        house.say(
            "mien/hallway/status", encode_status(DeviceStatus(state="online", agent="0.2.0", model="0123456789ab"))
        )
        assert house.device()[1]["device"]["sw_version"] == "0.2.0"


def test_noise_makes_no_device_and_it_can_be_left_be(house: House, settings: CollectorSettings) -> None:
    with collecting(settings):
        house.say("mien/hallway/status", b"{}")
        house.say("mien/Not a device/status", ONLINE)
        house.say("mien/kitchen/status", ONLINE)
        assert house.device()[0] == "homeassistant/device/kitchen/config"
    quiet = msgspec.structs.replace(settings, home_assistant="")
    house.say("mien/garden/status", ONLINE)
    with collecting(quiet):
        house.say("homeassistant/status", b"online")
        with pytest.raises(queue.Empty):
            house.device(timeout_s=2)


def test_its_templates_read_what_devices_send(house: House, settings: CollectorSettings) -> None:
    with collecting(settings):
        house.say("mien/hallway/status", ONLINE)
        _, payload = house.device()
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
        machine=MachineHealth(clock="synced", disk_free_bytes=12345, temperature_celsius=48.3, throttled=None),
    )
    loss = Dropped(
        id=uuid7(), device="hallway", outbox=OUTBOX, seq=9, first=1, last=8, cause="full", at=datetime.now(UTC)
    )
    observation = make_observation(OUTBOX)
    seen = [
        (
            "observation",
            encode_observation(observation),
            {"emotion": observation.emotion, "confidence": f"{observation.confidence * 100:.1f}"},
        ),
        ("observation", encode_dropped(loss), {"emotion": "", "confidence": ""}),
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
                "throttled": "OFF",
                "disk": "12345",
            },
        ),
        (
            "health",  # of a device that has nothing but an outbox
            encode_health(make_health(OUTBOX)),
            {
                "sensor": "None",
                "camera": "OFF",
                "frame": "None",
                "temperature": "None",
                "throttled": "OFF",
                "disk": "None",
            },
        ),
    ]
    rendered: set[str] = set()
    for kind, message, expected in seen:
        for name, value in expected.items():
            component = payload["components"][name]
            assert component["state_topic"] == f"mien/hallway/{kind}"
            assert _render(component["value_template"], message) == value
            rendered.add(name)
    assert rendered == payload["components"].keys()
    assert payload["components"]["emotion"]["options"] == list(EMOTIONS)
    available = payload["availability_template"]
    assert payload["availability_topic"] == "mien/hallway/status"
    assert _render(available, ONLINE) == "online"
    for state in ("stopped", "offline"):
        status = DeviceStatus(state=state, agent="0.1.0", model="0123456789ab")  # type: ignore[arg-type]
        assert _render(available, encode_status(status)) == "offline"


def test_every_entity_has_a_name_of_its_own(house: House, settings: CollectorSettings) -> None:
    with collecting(settings):
        house.say("mien/hallway/status", ONLINE)
        house.say("mien/kitchen/status", ONLINE)
        payloads = [house.device()[1], house.device()[1]]
    names = [component["unique_id"] for payload in payloads for component in payload["components"].values()]
    assert len(names) == len(set(names))
    assert {component["platform"] for component in payloads[0]["components"].values()} == {"sensor", "binary_sensor"}
    assert {"device", "origin"} <= payloads[0].keys()  # without these Home Assistant takes none


def _render(template: str, message: bytes) -> str:
    return jinja2.Environment(autoescape=False).from_string(template).render(value_json=json.loads(message))  # noqa: S701
