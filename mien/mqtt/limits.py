"""What an MQTT broker accepts, as it announced when it accepted the connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from paho.mqtt.properties import Properties

from mien.mqtt.reasons import SUBSCRIPTION_FIXES

MAX_PACKET_BYTES = 262_144
"""The largest packet that is sent, and that an MQTT 5 broker may deliver."""
PUBLISH_OVERHEAD_BYTES = 10
"""Of a PUBLISH packet besides topic and payload: its type, its length (at most 4 bytes), the topic's length (2), the
message ID (2), and the length of its properties, of which there are none (1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerLimits:
    """The limits in an MQTT 5 broker's CONNACK; the defaults, where it announces nothing and for MQTT 3.1.1."""

    max_packet_bytes: int = MAX_PACKET_BYTES
    """Never more than MAX_PACKET_BYTES, whatever the broker accepts."""
    receive_maximum: int = 65_535
    """Unacknowledged messages at once."""
    max_qos: int = 2
    has_retained_messages: bool = True
    """Whether it keeps the last message of a topic for those who subscribe later."""
    has_wildcards: bool = True
    """Whether subscriptions may contain `+` and `#`."""
    has_shared_subscriptions: bool = True

    @classmethod
    def from_connack(cls, properties: Properties | None) -> Self:
        """The limits among the properties of a CONNACK."""
        return cls(
            max_packet_bytes=min(MAX_PACKET_BYTES, getattr(properties, "MaximumPacketSize", MAX_PACKET_BYTES)),
            receive_maximum=getattr(properties, "ReceiveMaximum", 65_535),
            max_qos=getattr(properties, "MaximumQoS", 2),
            has_retained_messages=bool(getattr(properties, "RetainAvailable", 1)),
            has_wildcards=bool(getattr(properties, "WildcardSubscriptionAvailable", 1)),
            has_shared_subscriptions=bool(getattr(properties, "SharedSubscriptionAvailable", 1)),
        )

    @property
    def qos(self) -> int:
        """The quality of service of mien's messages and subscriptions: 1, or 0 where the broker has nothing better."""
        return min(1, self.max_qos)

    def find_problem(self, subscriptions: Sequence[str]) -> str:
        """What is wrong with some of these subscriptions, and the fix; empty if the broker supports them all."""
        wildcards = [topic for topic in subscriptions if "+" in topic or "#" in topic]
        shared = [topic for topic in subscriptions if topic.startswith("$share/")]
        if not self.has_shared_subscriptions and shared:
            reason, topics = "Shared subscription not supported", shared
        elif not self.has_wildcards and wildcards:
            reason, topics = "Wildcard subscription not supported", wildcards
        else:
            return ""
        return f"the subscription to {', '.join(topics)} ({reason}): {SUBSCRIPTION_FIXES[reason]}"

    def max_payload_bytes(self, topic: str) -> int:
        """The size of the largest message that fits into a packet to this topic, to within three bytes; at least 0."""
        return max(0, self.max_packet_bytes - PUBLISH_OVERHEAD_BYTES - len(topic.encode()))


NO_LIMITS = BrokerLimits()
"""What is assumed of a broker before it has announced anything."""
