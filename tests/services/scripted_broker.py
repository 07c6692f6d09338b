"""An MQTT 5 broker that delivers nothing, and announces and refuses what a test tells it to, unlike mosquitto."""

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ = 1, 3, 8, 12
RETAIN_AVAILABLE, MAXIMUM_PACKET_SIZE, WILDCARDS_AVAILABLE, SHARED_SUBSCRIPTIONS_AVAILABLE = 0x25, 0x27, 0x28, 0x2A
"""Properties of a CONNACK (MQTT 5.0, section 3.2.2.3)."""
NOT_AUTHORIZED, SERVER_BUSY, SERVER_SHUTTING_DOWN, SESSION_TAKEN_OVER = 0x87, 0x89, 0x8B, 0x8E
PACKET_TOO_LARGE, QUOTA_EXCEEDED = 0x95, 0x97
"""Reason codes (section 2.4)."""


@dataclass(slots=True)
class Publication:
    """What a client has published."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(slots=True)
class ScriptedBroker:
    """Serves one client after another until the block ends; use as a context manager."""

    announced: dict[int, int] = field(default_factory=dict)
    """Properties of the CONNACK."""
    connack_reason: int = 0
    suback_reason: int = 1
    """The granted QoS, or why no subscription is granted."""
    puback_reason: int | None = 0
    """None: it acknowledges nothing."""
    end_reason: int | None = None
    """With which it disconnects each client as soon as it has subscribed."""
    publications: list[Publication] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    _listener: socket.socket = field(init=False)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with client, contextlib.suppress(OSError):
                self._serve(client)

    def _serve(self, client: socket.socket) -> None:
        with client.makefile("rb") as stream:
            while header := stream.read(1):
                content = stream.read(_read_length(stream.read))
                kind = header[0] >> 4
                if kind == CONNECT:
                    properties = b"".join(_encode_property(*item) for item in self.announced.items())
                    client.sendall(_packet(0x20, bytes([0, self.connack_reason, len(properties)]) + properties))
                    if self.connack_reason:
                        return
                elif kind == SUBSCRIBE:
                    reasons = bytes([self.suback_reason]) * _count_topics(content)
                    client.sendall(_packet(0x90, content[:2] + b"\x00" + reasons))
                    if self.end_reason is not None:
                        client.sendall(_packet(0xE0, bytes([self.end_reason, 0])))
                        return
                elif kind == PUBLISH:
                    message_id, reason = self._receive(header[0], content), self.puback_reason
                    if message_id and reason is not None:
                        client.sendall(_packet(0x40, message_id + bytes([reason, 0])))
                elif kind == PINGREQ:
                    client.sendall(b"\xd0\x00")

    def _receive(self, header: int, content: bytes) -> bytes:
        """Keep a publication; its message ID, empty at QoS 0."""
        topic_end = 2 + int.from_bytes(content[:2])
        qos = header >> 1 & 3
        payload_begin = topic_end + (3 if qos else 1)  # mien sends no properties: their length is one byte
        topic = content[2:topic_end].decode()
        self.publications.append(Publication(topic, content[payload_begin:], qos, bool(header & 1)))
        return content[topic_end : topic_end + 2] if qos else b""


def _packet(header: int, content: bytes) -> bytes:
    assert len(content) < 128
    return bytes([header, len(content)]) + content


def _encode_property(name: int, value: int) -> bytes:
    return bytes([name]) + value.to_bytes(4 if name == MAXIMUM_PACKET_SIZE else 1)


def _read_length(read: Callable[[int], bytes]) -> int:
    length = shift = 0
    while (byte := read(1)) and byte[0] >= 128:
        length |= (byte[0] & 127) << shift
        shift += 7
    return length | (byte[0] << shift if byte else 0)


def _count_topics(content: bytes) -> int:
    """How many topics a SUBSCRIBE packet without properties contains."""
    count, position = 0, 3
    while position < len(content):
        position += 2 + int.from_bytes(content[position : position + 2]) + 1
        count += 1
    return count
