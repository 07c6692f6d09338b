"""What the MQTT broker retains of erased devices is cleared, and asked for again until it is."""

import logging

import pytest

from mien.broker.intake.erased_devices import ErasedDevices
from mien.messages.topics import Topics
from mien.mqtt.events import Message

TOPICS = ["mien/hallway/health", "mien/hallway/motion", "mien/hallway/status"]


@pytest.fixture
def erased() -> ErasedDevices:
    return ErasedDevices(Topics())


def test_each_topic_of_a_device_is_cleared_once(erased: ErasedDevices) -> None:
    assert erased.clear({"hallway"}) == [Message(topic, b"", retain=True) for topic in TOPICS]
    for number, kind in enumerate(("health", "motion", "status", "observation")):
        erased.confirm("hallway", kind, number)
        erased.confirm("kitchen", kind, number)
    erased.confirm("hallway", "health", 9)
    assert erased.take_cleared() == {"hallway": {"health": 0, "motion": 1, "status": 2}}
    assert erased.take_cleared() == {}


def test_what_does_not_come_back_is_cleared_again_with_a_warning(
    erased: ErasedDevices, caplog: pytest.LogCaptureFixture
) -> None:
    erased.clear({"hallway"})
    erased.confirm("hallway", "motion", 1)
    assert erased.take_cleared() == {}
    with caplog.at_level(logging.WARNING):
        assert [message.topic for message in erased.clear({"hallway"})] == [TOPICS[0], TOPICS[2]]
    assert f"allow this collector to write to {TOPICS[0]}, {TOPICS[2]}" in caplog.text
    for kind in ("health", "status"):
        erased.confirm("hallway", kind, 2)
    assert erased.take_cleared() == {"hallway": {"health": 2, "motion": 1, "status": 2}}


def test_without_a_connection_it_starts_over_without_a_warning(
    erased: ErasedDevices, caplog: pytest.LogCaptureFixture
) -> None:
    erased.clear({"hallway"})
    erased.start_over()
    assert [message.topic for message in erased.clear({"hallway"})] == TOPICS
    assert caplog.text == ""
    assert erased.clear(set()) == []
    erased.confirm("hallway", "status", 1)
    assert erased.take_cleared() == {}
