"""The MQTT topic of each message; the README's table lists who publishes what."""

from dataclasses import dataclass

OBSERVATION = "observation"
"""The last level of the topic of observations and declared losses."""
ACKNOWLEDGEMENT = "ack"
"""The last level of the topic of acknowledgements."""
STATUS = "status"
"""The last level of the topic on which a device or a collector reports that it is online."""
HEALTH = "health"
"""The last level of the topic of health reports."""
MOTION = "motion"
"""The last level of the topic of motion states."""
COLLECTORS = "_collector"
"""The level that replaces the device's name in the collectors' topics; it is not a valid device name."""


@dataclass(frozen=True, slots=True)
class Topics:
    """All topics under one base topic."""

    base_topic: str = "mien"

    def observation(self, device: str) -> str:
        return f"{self.base_topic}/{device}/{OBSERVATION}"

    def acknowledgement(self, device: str) -> str:
        return f"{self.base_topic}/{device}/{ACKNOWLEDGEMENT}"

    def device_status(self, device: str) -> str:
        return f"{self.base_topic}/{device}/{STATUS}"

    def device_health(self, device: str) -> str:
        return f"{self.base_topic}/{device}/{HEALTH}"

    def device_motion(self, device: str) -> str:
        return f"{self.base_topic}/{device}/{MOTION}"

    def model_desired(self, device: str) -> str:
        """Reserved: the model that an operator wants on a device."""
        return f"{self.base_topic}/{device}/model/desired"

    def model_state(self, device: str) -> str:
        """Reserved: whether the device has installed it."""
        return f"{self.base_topic}/{device}/model/state"

    def shared_subscription(self, group: str, topic: str) -> str:
        """A subscription whose messages the MQTT broker distributes among all clients that join the group."""
        return f"$share/{group}/{topic}"

    def collector_status(self, collector: str) -> str:
        return f"{self.base_topic}/{COLLECTORS}/{collector}/{STATUS}"

    def device_of(self, topic: str) -> str:
        """The device's name in a device's topic."""
        return topic.removeprefix(f"{self.base_topic}/").split("/", 1)[0]

    def kind_of(self, topic: str) -> str:
        """The last level of a device's topic."""
        return topic.rsplit("/", 1)[-1]

    def collector_of(self, topic: str) -> str:
        """The collector's name in a collector's topic."""
        return topic.removeprefix(f"{self.base_topic}/{COLLECTORS}/").split("/", 1)[0]
