"""A real Home Assistant discovers devices, follows them, and forgets them."""

import queue
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from fault_plan import AGENT_CONFIG
from mosquitto import Mosquitto, configure_mosquitto
from mqtt_device import Device
from polling import wait_for
from running_collector import running_collector
from running_home_assistant import ENVIRONMENT, HomeAssistant, running_home_assistant
from samples import make_health, make_observation
from uuid6 import uuid7

from mien.broker.settings import CollectorSettings
from mien.cli import main
from mien.emotions import EMOTIONS
from mien.messages.batch import encode_batch
from mien.messages.dropped import Dropped, encode_dropped
from mien.messages.health import encode_health
from mien.messages.motion import MotionState, encode_motion
from mien.messages.observation import Observation, Scores, encode_observation
from mien.messages.status import DeviceStatus, encode_device_status
from mien.mqtt.connection import Connection
from mien.mqtt.events import Event, Message, Received
from mien.mqtt.settings import MqttSettings
from mien.version import VERSION

pytestmark = [
    pytest.mark.real_part,
    pytest.mark.skipif(
        not (ENVIRONMENT / "installed").exists(),
        reason="there is no .venv/home-assistant: `make test-home-assistant` creates it where there is Python 3.12",
    ),
]

ONLINE = encode_device_status(DeviceStatus(state="online", agent=VERSION, model="0123456789ab"))
FOLLOW_S = 30.0
"""How long Home Assistant may take to follow a change, on a busy machine."""
CONVENTIONS = {
    # entity: (domain, device class, state class, unit, category)
    "motion": ("binary_sensor", "motion", None, None, None),
    "emotion": ("sensor", "enum", None, None, None),
    "confidence": ("sensor", None, "measurement", "%", None),
    "waiting": ("sensor", None, "measurement", None, "diagnostic"),
    "sensor": ("sensor", "enum", None, None, "diagnostic"),
    "camera": ("binary_sensor", "problem", None, None, "diagnostic"),
    "frame": ("sensor", "duration", "measurement", "ms", "diagnostic"),
    "temperature": ("sensor", "temperature", "measurement", "°C", "diagnostic"),
    "throttled": ("binary_sensor", "problem", None, None, "diagnostic"),
    "disk": ("sensor", "data_size", "measurement", "GiB", "diagnostic"),
}
"""As Home Assistant's documentation has them: "Sensor entity", "Binary sensor entity" and "Entity category"."""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    broker = configure_mosquitto(tmp_path_factory.mktemp("mosquitto")).start()
    yield broker
    broker.kill()


@pytest.fixture(scope="module")
def home_assistant(tmp_path_factory: pytest.TempPathFactory, broker: Mosquitto) -> Iterator[HomeAssistant]:
    with running_home_assistant(tmp_path_factory.mktemp("home-assistant")) as home_assistant:
        home_assistant.add_mqtt(broker.port)
        yield home_assistant


@pytest.fixture
def settings(tmp_path: Path, broker: Mosquitto) -> CollectorSettings:
    return CollectorSettings(database=str(tmp_path / "mien.db"), mqtt=MqttSettings(port=broker.port), clock="trusted")


@pytest.fixture
def kitchen(broker: Mosquitto) -> Iterator[Device]:
    """A device whose messages the test writes, online."""
    device = Device(MqttSettings(port=broker.port), "kitchen")
    with device.connection:
        device.wait_connected()
        publish(device, "status", ONLINE)
        yield device


def observe(device: Device, seq: int, emotion: str) -> Observation:
    scores = dict.fromkeys(EMOTIONS, 0.1) | {emotion: 0.4}
    return make_observation(
        device.outbox, seq, device=device.name, emotion=emotion, confidence=0.4, scores=Scores(**scores)
    )


def publish(device: Device, kind: str, payload: bytes, *, retain: bool = True) -> None:
    assert device.connection.publish(Message(f"mien/{device.name}/{kind}", payload, retain=retain), wait_s=5)


def state(home_assistant: HomeAssistant, device: str, entity: str) -> str:
    known = home_assistant.device(device)
    return known.state(entity) if known else ""


def shows(home_assistant: HomeAssistant, emotion: str) -> bool:
    return state(home_assistant, "kitchen", "emotion") == emotion


def test_an_agent_appears_with_ten_entities_and_its_availability_follows_it(
    tmp_path: Path, broker: Mosquitto, home_assistant: HomeAssistant, settings: CollectorSettings
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(AGENT_CONFIG.format(device="hallway", outbox=tmp_path / "outbox.db", port=broker.port))
    command = [sys.executable, "-m", "mien", "agent", "--config", str(config)]
    with running_collector(settings), (tmp_path / "agent.log").open("w") as log:
        agent = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for(lambda: state(home_assistant, "hallway", "emotion") == "happy", 60)
            wait_for(lambda: state(home_assistant, "hallway", "camera") == "off", FOLLOW_S)
            device = home_assistant.device("hallway")
            assert device is not None
            assert device.registry["manufacturer"] == "mien"
            assert device.registry["sw_version"] == VERSION
            for name, entity in device.entities.items():
                attributes = device.states[name]["attributes"]
                assert CONVENTIONS[name] == (
                    entity["entity_id"].partition(".")[0],
                    attributes.get("device_class"),
                    attributes.get("state_class"),
                    attributes.get("unit_of_measurement"),
                    entity["entity_category"],
                ), name
                assert attributes["friendly_name"].startswith("hallway "), name
            assert device.entities.keys() == CONVENTIONS.keys()
            assert device.states["emotion"]["attributes"]["options"] == list(EMOTIONS)
            assert 0 < float(device.state("confidence")) <= 100
            assert float(device.state("disk")) > 0
            assert device.state("sensor") == "ok"
        finally:
            agent.kill()
            agent.wait()
        wait_for(lambda: states(home_assistant, "hallway") == {"unavailable"}, FOLLOW_S)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as agent:
            try:
                wait_for(lambda: "unavailable" not in states(home_assistant, "hallway"), 60)
            finally:
                agent.terminate()
        wait_for(lambda: states(home_assistant, "hallway") == {"unavailable"}, FOLLOW_S)  # a clean stop, too
    assert home_assistant.complaints() == []


def states(home_assistant: HomeAssistant, device: str) -> set[str]:
    known = home_assistant.device(device)
    assert known is not None
    return {known.state(name) for name in known.entities}


def test_the_last_emotion_changes_and_what_is_caught_up_does_not_change_it(
    home_assistant: HomeAssistant, settings: CollectorSettings, kitchen: Device
) -> None:
    with running_collector(settings):
        wait_for(lambda: state(home_assistant, "kitchen", "emotion") == "unknown", FOLLOW_S)
        for seq, emotion in enumerate(("sad", "surprise"), 1):
            publish(kitchen, "observation", encode_observation(observe(kitchen, seq, emotion)), retain=False)
            wait_for(partial(shows, home_assistant, emotion), FOLLOW_S)
        assert float(state(home_assistant, "kitchen", "confidence")) == 40
        old = [observe(kitchen, seq, "angry") for seq in range(3, 15)]
        publish(kitchen, "observation", encode_batch([encode_observation(row) for row in old]), retain=False)
        loss = Dropped(
            id=uuid7(), device="kitchen", outbox=kitchen.outbox, seq=16, first=15, last=15, cause="full",
            at=datetime.now(UTC),
        )  # fmt: skip
        publish(kitchen, "observation", encode_dropped(loss), retain=False)
        publish(kitchen, "health", encode_health(make_health(kitchen.outbox, waiting=3)))
        wait_for(lambda: state(home_assistant, "kitchen", "waiting") == "3", FOLLOW_S)
        device = home_assistant.device("kitchen")
        assert device is not None
        assert device.state("emotion") == "surprise"
        assert {device.state(name) for name in ("sensor", "camera", "throttled", "disk")} == {"unknown"}
    assert home_assistant.complaints() == []


def test_observations_are_subscribed_with_quality_of_service_1(
    home_assistant: HomeAssistant, settings: CollectorSettings, kitchen: Device
) -> None:
    with running_collector(settings):
        wait_for(lambda: state(home_assistant, "kitchen", "emotion"), FOLLOW_S)
        row = make_observation(uuid4(), 1, device="kitchen")
        publish(kitchen, "observation", encode_observation(row), retain=False)
        publish(kitchen, "health", encode_health(make_health(kitchen.outbox)))
        wait_for(lambda: state(home_assistant, "kitchen", "waiting") not in ("", "unknown"), FOLLOW_S)
        assert home_assistant.received_qos("kitchen") == {1}


def test_an_erased_device_disappears(
    home_assistant: HomeAssistant, settings: CollectorSettings, broker: Mosquitto
) -> None:
    garden = Device(MqttSettings(port=broker.port), "garden")
    with running_collector(settings), garden.connection:
        garden.wait_connected()
        publish(garden, "status", ONLINE)
        row = make_observation(garden.outbox, 1, device="garden")
        publish(garden, "observation", encode_observation(row), retain=False)
        garden.answers(1)
        wait_for(lambda: home_assistant.device("garden"), FOLLOW_S)
    assert main(["db", "erase", "--device", "garden", "--db", settings.database, "--yes"]) == 0
    with running_collector(settings):  # a collector clears what is retained of erased devices once it has connected
        wait_for(lambda: home_assistant.device("garden") is None, FOLLOW_S)
    assert home_assistant.complaints() == []


def test_its_birth_message_is_answered_with_every_device_again(
    home_assistant: HomeAssistant, settings: CollectorSettings, kitchen: Device, broker: Mosquitto
) -> None:
    events: queue.Queue[Event] = queue.Queue()
    observer = Connection(
        MqttSettings(port=broker.port),
        client_id="observer",
        will=Message("will", b""),
        subscriptions=["homeassistant/#"],
        events=events,
    )
    with running_collector(settings):
        wait_for(lambda: home_assistant.device("kitchen"), FOLLOW_S)
        with observer:
            home_assistant.reload_mqtt()
            wait_for_message(events, "homeassistant/status", b"online")
            wait_for_message(events, "homeassistant/device/kitchen/config")
            # What was retained came before; this is the answer to the birth message, which the observer has seen.
            home_assistant.reload_mqtt()
            wait_for_message(events, "homeassistant/status", b"online")
            wait_for_message(events, "homeassistant/device/kitchen/config")
        publish(kitchen, "motion", encode_motion(MotionState(state="on", since=datetime.now(UTC))))
        wait_for(lambda: state(home_assistant, "kitchen", "motion") == "on", FOLLOW_S)
    assert home_assistant.complaints() == []


def wait_for_message(events: "queue.Queue[Event]", topic: str, payload: bytes | None = None) -> None:
    """Discard what was received until this; queue.Empty if it does not arrive in time."""
    while True:
        event = events.get(timeout=FOLLOW_S)
        if isinstance(event, Received) and event.topic == topic and payload in (None, event.payload):
            return
