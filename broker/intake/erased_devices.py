"""Clears what the MQTT broker retains of erased devices, and makes sure that it did."""

import logging
from collections.abc import Iterable

from mien.messages.topics import HEALTH, MOTION, STATUS, Topics
from mien.mqtt.events import Message

KINDS = frozenset({STATUS, HEALTH, MOTION})

log = logging.getLogger(__name__)


class ErasedDevices:
    """The devices whose retained messages are being cleared.

    An empty retained message clears a topic (MQTT 5, 3.3.1.3). The collector has subscribed to these topics, so what
    the broker accepts comes back; what its access control list does not allow does not.
    """

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self._cleared_ms: dict[str, dict[str, int]] = {}
        """For each device the topics, by their last level, that have come back empty, and when."""

    def clear(self, devices: Iterable[str]) -> list[Message]:
        """What to publish to clear the topics of these devices: what has not come back since the last call, again."""
        known = self._cleared_ms
        self._cleared_ms = {device: known.get(device, {}) for device in sorted(devices)}
        messages: list[Message] = []
        for device, cleared_ms in self._cleared_ms.items():
            topics = [self._topic_of(device, kind) for kind in sorted(KINDS - cleared_ms.keys())]
            if device in known:
                hint = f"allow this collector to write to {', '.join(topics)}"
                log.warning("the MQTT broker still retains messages of %s, which was erased: %s", device, hint)
            messages += [Message(topic, b"", retain=True) for topic in topics]
        return messages

    def confirm(self, device: str, kind: str, received_ms: int) -> None:
        """Take note that an empty message came back."""
        if device in self._cleared_ms and kind in KINDS:
            self._cleared_ms[device].setdefault(kind, received_ms)

    def start_over(self) -> None:
        """Forget what was published: without a connection it is lost."""
        self._cleared_ms.clear()

    def take_cleared(self) -> dict[str, dict[str, int]]:
        """The devices of which nothing is retained any more, and when each topic, by its last level, came back."""
        cleared = {device: kinds for device, kinds in self._cleared_ms.items() if kinds.keys() == KINDS}
        for device in cleared:
            del self._cleared_ms[device]
        return cleared

    def _topic_of(self, device: str, kind: str) -> str:
        by_kind = {
            STATUS: self._topics.device_status,
            HEALTH: self._topics.device_health,
            MOTION: self._topics.device_motion,
        }
        return by_kind[kind](device)
