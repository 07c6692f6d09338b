"""Where each message goes. The README's table of topics says who writes what."""

from dataclasses import dataclass

OBSERVATION = "observation"
"""The last level of the topic of observations and declared losses."""
STATUS = "status"
"""The last level of the topic on which a device or a collector says that it is there."""
COLLECTORS = "_collector"
"""Stands in a device's place; no device can have this name."""


@dataclass(frozen=True, slots=True)
class Topics:
    """All topics under one root."""

    root: str = "mien"

    def observation(self, device: str) -> str:
        return f"{self.root}/{device}/{OBSERVATION}"

    def acknowledgement(self, device: str) -> str:
        return f"{self.root}/{device}/ack"

    def device_status(self, device: str) -> str:
        return f"{self.root}/{device}/{STATUS}"

    def device_health(self, device: str) -> str:
        return f"{self.root}/{device}/health"

    def device_motion(self, device: str) -> str:
        return f"{self.root}/{device}/motion"

    def model_desired(self, device: str) -> str:
        """To come: the model that an operator wants on a device."""
        return f"{self.root}/{device}/model/desired"

    def model_state(self, device: str) -> str:
        """To come: what a device has made of that."""
        return f"{self.root}/{device}/model/state"

    def shared(self, topic: str) -> str:
        """A subscription whose messages the broker deals out among all collectors that hold it."""
        return f"$share/{self.root.replace('/', '-')}/{topic}"

    def collector_status(self, collector: str) -> str:
        return f"{self.root}/{COLLECTORS}/{collector}/{STATUS}"

    def device_of(self, topic: str) -> str:
        """The device's level of a topic below this root."""
        return topic.removeprefix(f"{self.root}/").split("/", 1)[0]

    def kind_of(self, topic: str) -> str:
        """The last level of a device's topic."""
        return topic.rsplit("/", 1)[-1]

    def collector_of(self, topic: str) -> str:
        """The collector's level of a collector's topic."""
        return topic.removeprefix(f"{self.root}/{COLLECTORS}/").split("/", 1)[0]
