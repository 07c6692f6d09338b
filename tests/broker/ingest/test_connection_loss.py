"""What the real `mien collect` makes of the ends of its connection."""

import queue
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from mosquitto import Mosquitto, configure_mosquitto
from polling import wait_for
from samples import make_observation
from scripted_broker import SESSION_TAKEN_OVER, WILDCARDS_AVAILABLE, ScriptedBroker

from mien.messages.acknowledgement import decode_acknowledgement
from mien.messages.observation import encode_observation
from mien.mqtt.connection import Connection
from mien.mqtt.events import Event, Message, Received
from mien.mqtt.settings import MqttSettings

Protocol = Literal["5", "3.1.1"]


@contextmanager
def collecting(
    folder: Path, port: int, protocol: Protocol = "5", database: str = "mien.db"
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """The process and the file with what it writes to its standard error."""
    config, errors = folder / f"{database}.toml", folder / f"{database}.log"
    config.write_text(f'database = "{folder / database}"\n[mqtt]\nport = {port}\nprotocol = "{protocol}"\n')
    with errors.open("w") as stderr:
        command = [sys.executable, "-m", "mien", "collect", "--config", str(config)]
        process = subprocess.Popen(command, cwd=folder, stderr=stderr, text=True)
    try:
        yield process, errors
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = configure_mosquitto(tmp_path).start()
    yield broker
    broker.kill()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_broker_that_is_restarted_three_times_does_not_end_it(
    tmp_path: Path, mosquitto: Mosquitto, protocol: Protocol
) -> None:
    events: queue.Queue[Event] = queue.Queue()
    observation = make_observation()
    with (
        collecting(tmp_path, mosquitto.port, protocol) as (process, errors),
        Connection(
            MqttSettings(port=mosquitto.port),
            client_id="device",
            will=Message("will", b""),
            subscriptions=["mien/hallway/ack"],
            events=events,
        ) as device,
    ):
        wait_for(lambda: "connected to" in errors.read_text(), timeout_s=60)
        for _ in range(3):
            mosquitto.stop()
            mosquitto.start()
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(2.5)
        acknowledgement = None
        while acknowledgement is None:  # until both are connected again
            device.publish(Message("mien/hallway/observation", encode_observation(observation)), wait_s=1)
            try:
                event = events.get(timeout=1)
            except queue.Empty:
                assert process.poll() is None
                continue
            if isinstance(event, Received):
                acknowledgement = decode_acknowledgement(event.payload)
        assert acknowledgement.stored == [(1, 1)]


def test_two_of_one_name_are_warned_if_the_broker_does_not_say_that_one_took_over(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with (
        collecting(tmp_path, mosquitto.port, "3.1.1", "first.db") as (first, first_errors),
        collecting(tmp_path, mosquitto.port, "3.1.1", "second.db") as (second, second_errors),
    ):
        warning = "another client is also named _collector-collector: rename or stop one of them"
        wait_for(lambda: any(warning in errors.read_text() for errors in (first_errors, second_errors)), timeout_s=120)
        assert first.poll() is second.poll() is None


@pytest.mark.parametrize(
    ("broker", "said"),
    [
        (
            ScriptedBroker(end_reason=SESSION_TAKEN_OVER),
            "is also named _collector-collector: rename or stop one of them",
        ),
        (
            ScriptedBroker(announced={WILDCARDS_AVAILABLE: 0}),
            "the MQTT broker refused the subscription to mien/+/observation, mien/+/status, mien/+/health, "
            "mien/+/motion (Wildcard subscription not supported): allow wildcards on the broker, "
            "or use a broker that supports them",
        ),
    ],
)
def test_it_exits_with_the_reason_if_the_broker_gives_one(tmp_path: Path, broker: ScriptedBroker, said: str) -> None:
    with broker, collecting(tmp_path, broker.port) as (process, errors):
        assert process.wait(60) == 6
        assert said in errors.read_text()
