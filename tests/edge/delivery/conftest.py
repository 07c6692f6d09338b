"""Fixtures for an outbox whose observations go through a real MQTT broker to a real collector."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mosquitto import Mosquitto

from mien.broker.settings import CollectorSettings
from mien.edge.delivery.outbox import Outbox
from mien.mqtt.settings import MqttSettings


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.db", device="hallway") as outbox:
        yield outbox


@pytest.fixture
def broker(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return start_mosquitto()


@pytest.fixture
def settings(tmp_path: Path, broker: Mosquitto) -> CollectorSettings:
    return CollectorSettings(database=str(tmp_path / "mien.db"), mqtt=MqttSettings(port=broker.port))
