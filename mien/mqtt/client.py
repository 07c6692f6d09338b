"""paho's MQTT client: the only place that constructs and configures one."""

import logging
import socket
import ssl
import threading
import time
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, WebsocketConnectionError
from paho.mqtt.enums import CallbackAPIVersion, MessageState, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from mien.mqtt.events import Message
from mien.mqtt.limits import NO_LIMITS, BrokerLimits
from mien.mqtt.reasons import PACKET_TOO_LARGE
from mien.mqtt.settings import DEFAULT_WEBSOCKET_PATH, MqttSettings
from mien.network.packet_socket import PacketSocket, Receiver

MAX_IN_FLIGHT = 10
"""Unacknowledged messages at once: HiveMQ accepts this many, mosquitto 20. For a broker that announces less, a new
client is needed: paho ignores the announcement (Receive Maximum), and cannot change the limit while connected."""

# mosquitto refuses a message above its message_size_limit with this reason, which paho would take for a broken packet.
ReasonCode.names[0x95][PACKET_TOO_LARGE].append(PacketTypes.PUBACK)

log = logging.getLogger(__name__)


class MqttClient(Client):
    """paho's client, which also signals the end of its network thread, whatever the reason; paho itself does not.

    With a `receiver` it reads in large pieces and passes it all publications, in the network thread; `on_message` gets
    only those that paho has to examine.
    """

    def __init__(
        self,
        settings: MqttSettings,
        *,
        client_id: str,
        protocol: MQTTProtocolVersion,
        max_packet_bytes: int | None,
        ended: threading.Event,
        receiver: Receiver | None,
    ) -> None:
        self._mien_ended = ended
        self._mien_receiver = receiver
        self._mien_packets: PacketSocket | None = None
        self.broker_certificate: bytes | None = None
        """Of the last connection, in DER; None without TLS."""
        self.tls_version = ""
        """Of the last connection; empty without TLS."""
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
            transport=settings.transport,
            reconnect_on_failure=False,
        )
        self.ws_set_options(settings.websocket_path or DEFAULT_WEBSOCKET_PATH)

    def open(self) -> None:
        """Connect to the broker named in the settings. OSError or ValueError if it cannot be reached."""
        host, port = self._mien_settings.address
        try:
            self.connect(host, port, self._mien_settings.keepalive_s, properties=self._mien_properties)
        except LookupError as error:  # paho's, about a websocket header in a form that it does not expect
            raise WebsocketConnectionError("WebSocket handshake error") from error

    def _create_socket(self) -> Any:
        """paho calls this for each connection; what it returns stands for the socket in all its other functions.

        A connection by websockets stays as it is: paho takes their frames apart, and gives publications to on_message.
        """
        connection = super()._create_socket()
        if self._mien_receiver is None or not isinstance(connection, socket.socket):
            return connection
        is_version_5 = self.protocol is MQTTProtocolVersion.MQTTv5
        self._mien_packets = PacketSocket(connection, is_version_5=is_version_5, receiver=self._mien_receiver)
        return self._mien_packets

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        connection: ssl.SSLSocket = super()._ssl_wrap_socket(tcp_sock)
        self.broker_certificate = connection.getpeercert(binary_form=True)
        self.tls_version = str(connection.version())
        return connection

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Process what has arrived."""
        if (packets := self._mien_packets) is None:
            return super().loop_read(max_packets)
        packets.fill()
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        while packets.take_publications():
            code = super().loop_read(max_packets)
            if code or self.socket() is None:
                return code
        packets.flush()
        return code

    def loop_write(self) -> MQTTErrorCode:
        """Send what the socket accepts."""
        if self._mien_packets is not None and not self._mien_packets.flush():
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        return super().loop_write()

    def want_write(self) -> bool:
        """Whether something waits until the socket accepts it."""
        return super().want_write() or (self._mien_packets is not None and self._mien_packets.must_send)

    def find_unacknowledged(self, message_id: int) -> MQTTMessage | None:
        """A message that the broker has not acknowledged yet, or does just now."""
        return self._out_messages.get(message_id)

    def oldest_unacknowledged_s(self) -> float:
        """For how long the broker has left the oldest message unacknowledged; 0 if there is none."""
        with self._out_message_mutex:
            oldest = next(iter(self._out_messages.values()), None)
        if oldest is None or oldest.state is not MessageState.MQTT_MS_WAIT_FOR_PUBACK:
            return 0.0
        return time.monotonic() - oldest.timestamp

    def unacknowledged(self) -> list[MQTTMessage]:
        """The messages that were sent and that the broker has not acknowledged."""
        with self._out_message_mutex:
            messages = list(self._out_messages.values())
        return [message for message in messages if message.state is MessageState.MQTT_MS_WAIT_FOR_PUBACK]

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
        limits: BrokerLimits = NO_LIMITS,
        max_packet_bytes: int | None = None,
        receiver: Receiver | None = None,
    ) -> MqttClient:
        """A client whose session starts clean and which never reconnects by itself.

        It sets `ended` when its network thread ends. The last will and the number of unacknowledged messages at once
        are within the broker's `limits`, as far as these are known; a broker that speaks MQTT 5 delivers no packet
        larger than `max_packet_bytes`. `receiver`: see MqttClient.
        """
        client = MqttClient(
            self._settings,
            client_id=client_id,
            protocol=protocol,
            max_packet_bytes=max_packet_bytes,
            ended=ended,
            receiver=receiver,
        )
        client.connect_timeout = connect_timeout_s
        client.max_inflight_messages_set(min(MAX_IN_FLIGHT, limits.receive_maximum))
        if self._settings.username is not None:
            client.username_pw_set(self._settings.username, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if will is not None:
            is_retained = will.retain and limits.has_retained_messages
            client.will_set(will.topic, will.payload, qos=limits.qos, retain=is_retained)
        return client


def is_version_refused(reason: ReasonCode) -> bool:
    """Whether the broker refused the connection because of its MQTT version."""
    return reason.is_failure and "protocol version" in str(reason).lower()
