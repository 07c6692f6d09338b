"""What a collector says of itself: whether it stores observations, and if not, why."""

import logging
from contextlib import suppress
from typing import Literal
from uuid import uuid4

import msgspec

from mien.messages.status import CollectorStatus, decode_collector_status, encode_collector_status
from mien.messages.topics import Topics
from mien.mqtt.events import Message

CollectorState = Literal["online", "busy", "offline"]
BusyReason = Literal["", "database", "clock"]

log = logging.getLogger(__name__)


class OwnStatus:
    """The status of one collector: online until it changes."""

    def __init__(self, name: str, topics: Topics) -> None:
        self.topic = topics.collector_status(name)
        self.state: CollectorState = "online"
        self.reason: BusyReason = ""
        self.is_saved = False
        """Whether the log has it."""
        self._name = name
        self._instance = uuid4()
        self._was_online = False
        """Whether the MQTT broker has had this collector's status."""

    @property
    def status(self) -> CollectorStatus:
        """For the log and the metrics."""
        return self._status(self.state, self.reason)

    @property
    def message(self) -> Message:
        """For the devices; retained."""
        return self._message(self.status)

    @property
    def will(self) -> Message:
        """What the MQTT broker publishes if the connection is lost."""
        return self._message(self._status("offline"))

    def change(self, state: CollectorState, reason: BusyReason = "") -> None:
        """From now on this is the status."""
        if (state, reason) != (self.state, self.reason):
            self.is_saved = False
        self.state, self.reason = state, reason

    def look_for_namesake(self, payload: bytes) -> None:
        """Report a collector that has used this one's name since this one was online: the two end each other's
        connections, which mosquitto before 2.0.15 does not say."""
        with suppress(msgspec.DecodeError):
            instance = decode_collector_status(payload).instance
            if instance == self._instance:
                self._was_online = True
            elif self._was_online:
                log.error(
                    "another collector is also named %s, and they end each other's connections: rename or stop one",
                    self._name,
                )

    def _status(self, state: CollectorState, reason: BusyReason = "") -> CollectorStatus:
        return CollectorStatus(state=state, reason=reason, instance=self._instance, batch=True)

    def _message(self, status: CollectorStatus) -> Message:
        return Message(self.topic, encode_collector_status(status), retain=True)
