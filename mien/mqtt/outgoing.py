"""Publishes within the broker's limits, and logs what the broker cannot take or refuses."""

import logging
from dataclasses import replace

from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from mien.mqtt.client import MqttClient
from mien.mqtt.events import Message
from mien.mqtt.learned_limit import LearnedLimit
from mien.mqtt.limits import NO_LIMITS, PUBLISH_OVERHEAD_BYTES, BrokerLimits
from mien.mqtt.log_interval import LogInterval
from mien.mqtt.reasons import PACKET_TOO_LARGE, PUBLICATION_FIXES, SEE_LOG

log = logging.getLogger(__name__)


class Outgoing:
    """The messages of one connection on their way to the broker."""

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id
        self._announced = NO_LIMITS
        self._learned = LearnedLimit()
        self._refusals = LogInterval()
        self._left_out: set[tuple[str, int]] = set()
        """The kinds of topic whose messages are too large, each with the limit: logged once."""

    @property
    def limits(self) -> BrokerLimits:
        """What the broker has announced, or what its refusals mean."""
        learned_bytes = self._learned.max_packet_bytes
        if learned_bytes >= self._announced.max_packet_bytes:
            return self._announced
        return replace(self._announced, max_packet_bytes=learned_bytes)

    @limits.setter
    def limits(self, announced: BrokerLimits) -> None:
        self._announced = announced

    def publish(self, client: MqttClient, message: Message, wait_s: float) -> bool:
        """As `Connection.publish`, over an open connection."""
        limits = self.limits
        if len(message.payload) > limits.max_payload_bytes(message.topic):
            self._leave_out(message, limits.max_packet_bytes)
            return False
        publication = client.publish(
            message.topic,
            message.payload,
            qos=0 if message.at_most_once else limits.qos,
            retain=message.retain and limits.has_retained_messages,
        )
        if publication.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        if not wait_s:
            return True
        try:
            publication.wait_for_publish(wait_s)
            return publication.is_published()
        except RuntimeError:  # the connection has ended in the meantime, or the broker has refused the message
            return False

    def handle_refusal(self, client: MqttClient, message_id: int, reason: ReasonCode) -> None:
        """The broker has refused a message, which only MQTT 5 says: log it, once a minute for each reason."""
        if (message := client.find_unacknowledged(message_id)) is None:
            return
        message.info.rc = MQTTErrorCode.MQTT_ERR_ACL_DENIED  # for whoever waits for it
        if str(reason) == PACKET_TOO_LARGE:
            self._learned.refuse(_packet_bytes(message.topic, message.payload))
        if count := self._refusals.count((_kind(message.topic), str(reason))):
            log.error(
                "the MQTT broker refused %d %s from %s, the last one to %s (%s): %s",
                count,
                "message" if count == 1 else "messages",
                self._client_id,
                message.topic,
                reason,
                PUBLICATION_FIXES.get(str(reason), SEE_LOG),
            )

    def handle_end(self, client: MqttClient, reason: str, *, is_short: bool) -> bool:
        """The connection has ended, with the broker's reason if it gave one.

        True if that was for the size of a packet, which is not sent again.
        """
        sizes = [_packet_bytes(message.topic, message.payload) for message in client.unacknowledged()]
        largest_bytes = max(sizes, default=0)
        if reason == PACKET_TOO_LARGE:
            return self._learned.refuse(largest_bytes)
        if not is_short:
            self._learned.trust()
        elif client.protocol is MQTTProtocolVersion.MQTTv311 and self._learned.suspect(largest_bytes):
            log.warning(
                "the MQTT broker seems to end the connection at packets of %d bytes; for an hour it gets at most %d: "
                "raise its max_packet_size, or set mqtt.protocol to auto so that it can announce it",
                largest_bytes,
                self._learned.max_packet_bytes,
            )
            return True
        return False

    def _leave_out(self, message: Message, max_packet_bytes: int) -> None:
        subject = _kind(message.topic), max_packet_bytes
        if subject in self._left_out:
            return
        self._left_out.add(subject)
        packet_bytes = _packet_bytes(message.topic, message.payload)
        log.warning(
            "%s is left out: it needs %d bytes, and the MQTT broker accepts packets of at most %d: "
            "raise its max_packet_size to %d or more",
            message.content or f"the message on {message.topic}",
            packet_bytes,
            max_packet_bytes,
            packet_bytes,
        )


def _packet_bytes(topic: str, payload: bytes | bytearray) -> int:
    return PUBLISH_OVERHEAD_BYTES + len(topic.encode()) + len(payload)


def _kind(topic: str) -> str:
    """What the topics of all devices have in common."""
    return topic.rsplit("/", 1)[-1]
