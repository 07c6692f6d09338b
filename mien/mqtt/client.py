"""paho's MQTT client: the only place that constructs and configures one."""

import logging
import threading
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from mien.mqtt.events import Message
from mien.mqtt.settings import MqttSettings

log = logging.getLogger(__name__)


class MqttClient(Client):
    """paho's client, which also signals the end of its network thread, whatever the reason; paho itself does not."""

    def __init__(
        self,
        settings: MqttSettings,
        *,
        client_id: str,
        protocol: MQTTProtocolVersion,
        max_packet_bytes: int | None,
        ended: threading.Event,
    ) -> None:
        self._mien_ended = ended
        self._mien_settings = settings
        self._mien_properties: Properties | None = None
        is_version_5 = protocol is MQTTProtocolVersion.MQTTv5
        if is_version_5 and max_packet_bytes is not None:
            self._mien_properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            self._mien_properties.MaximumPacketSize = max_packet_bytes
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=None if is_version_5 else True,
            protocol=protocol,
            reconnect_on_failure=False,
        )

    def open(self) -> None:
        """Connect to the broker named in the settings. OSError or ValueError if it cannot be reached."""
        host, port = self._mien_settings.address
        self.connect(host, port, self._mien_settings.keepalive_s, properties=self._mien_properties)

    def loop_forever(self, *arguments: Any, **options: Any) -> MQTTErrorCode:
        """paho's network loop; an exception in it, such as by an invalid packet, ends this connection attempt only."""
        try:
            return super().loop_forever(*arguments, **options)
        except Exception:  # whatever the broker sent must not end the connection silently
            log.exception("the MQTT client failed")
            return MQTTErrorCode.MQTT_ERR_UNKNOWN
        finally:
            self._mien_ended.set()


class ClientFactory:
    """Makes clients for one broker and account, each for one connection attempt."""

    def __init__(self, settings: MqttSettings) -> None:
        """Read the password and the certificates. ConfigurationError if one of their files cannot be read."""
        self._settings = settings
        self._password = settings.password()
        self._tls = settings.tls_context()

    @property
    def protocols(self) -> list[MQTTProtocolVersion]:
        """The MQTT versions to try, in order."""
        versions = {"auto": [5, 4], "5": [5], "3.1.1": [4]}[self._settings.protocol]
        return [MQTTProtocolVersion(version) for version in versions]

    def create(
        self,
        client_id: str,
        protocol: MQTTProtocolVersion,
        *,
        connect_timeout_s: float,
        ended: threading.Event,
        will: Message | None = None,
        max_in_flight: int = 20,
        max_packet_bytes: int | None = None,
    ) -> MqttClient:
        """A client whose session starts clean and which never reconnects by itself.

        It sets `ended` when its network thread ends. `max_in_flight` is the number of unacknowledged messages at once;
        a broker that speaks MQTT 5 delivers no packet larger than `max_packet_bytes`.
        """
        client = MqttClient(
            self._settings,
            client_id=client_id,
            protocol=protocol,
            max_packet_bytes=max_packet_bytes,
            ended=ended,
        )
        client.connect_timeout = connect_timeout_s
        client.max_inflight_messages_set(max_in_flight)
        if self._settings.username is not None:
            client.username_pw_set(self._settings.username, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if will is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        return client


def is_version_refused(reason: ReasonCode) -> bool:
    """Whether the broker refused the connection because of its MQTT version."""
    return reason.is_failure and "protocol version" in str(reason).lower()
