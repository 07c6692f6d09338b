"""A device that sends as fast as the MQTT broker takes it, over a connection of its own make."""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence

from mien.messages.acknowledgement import decode_acknowledgement
from mien.mqtt.settings import MqttSettings

BLOCK_BYTES = 400_000
KEEP_ALIVE_S = b"\x01\x2c"
CONNECT, PUBLISH, SUBSCRIBE = 0x10, 0x30, 0x82


class Flooder:
    """Sends the same payloads again and again, at QoS 1, and connects again whenever the broker ends its connection."""

    def __init__(self, mqtt: MqttSettings, topic: str, payloads: Sequence[bytes], acknowledgements: str) -> None:
        self.sent_bytes = 0
        self.connections = 0
        self.acknowledged: set[int] = set()
        """The numbers that a collector has acknowledged as stored."""
        self._mqtt = mqtt
        self._acknowledgements = acknowledgements
        self._block = b"".join(
            _packet(PUBLISH | 2, _text(topic) + (number % 65_535 + 1).to_bytes(2, "big") + payload)
            for number, payload in enumerate(payloads)
        )
        self._block *= max(1, BLOCK_BYTES // len(self._block))

    def flood(self, stopping: threading.Event) -> None:
        """Send until `stopping` is set."""
        while not stopping.is_set():
            with contextlib.suppress(OSError), self._connect() as connection:
                self.connections += 1
                self._send(connection, stopping)

    @contextlib.contextmanager
    def _connect(self) -> Iterator[ssl.SSLSocket]:
        context = self._mqtt.tls_context()
        assert context is not None
        with (
            socket.create_connection(self._mqtt.address) as plain,
            context.wrap_socket(plain, server_hostname=self._mqtt.host) as connection,
        ):
            connection.sendall(_packet(CONNECT, _text("MQTT") + b"\x04\x02" + KEEP_ALIVE_S + _text("")))
            connection.sendall(_packet(SUBSCRIBE, b"\x00\x01" + _text(self._acknowledgements) + b"\x00"))
            connection.setblocking(False)
            yield connection

    def _send(self, connection: ssl.SSLSocket, stopping: threading.Event) -> None:
        """Send until `stopping` is set; OSError if the broker ends the connection; in one thread, for OpenSSL."""
        waiting, received = memoryview(self._block), bytearray()
        while not stopping.is_set():
            with contextlib.suppress(ssl.SSLWantReadError):
                if not (data := connection.recv(65_536)):
                    raise ConnectionError
                received += data
                self._read(received)
            try:
                sent = connection.send(waiting)
            except ssl.SSLWantWriteError:
                select.select([connection], [connection], [], 1.0)
                continue
            self.sent_bytes += sent
            waiting = waiting[sent:] or memoryview(self._block)

    def _read(self, received: bytearray) -> None:
        """Take whole packets."""
        while len(received) >= 2:
            length = digits = 0
            while digits < len(received) - 1:
                digit = received[1 + digits]
                length |= (digit & 127) << 7 * digits
                digits += 1
                if digit < 128:
                    break
            else:
                return
            if len(received) < 1 + digits + length:
                return
            content = bytes(received[1 + digits : 1 + digits + length])
            if received[0] & 0xF0 == PUBLISH:  # at QoS 0: the topic, and the payload
                payload = content[2 + int.from_bytes(content[:2], "big") :]
                for first, last in decode_acknowledgement(payload).stored:
                    self.acknowledged.update(range(first, last + 1))
            del received[: 1 + digits + length]


def _text(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()


def _packet(kind: int, content: bytes) -> bytes:
    """A packet of MQTT 3.1.1 (2.2)."""
    length, digits = len(content), bytearray()
    while length > 127:
        digits.append(length & 127 | 128)
        length >>= 7
    return bytes([kind, *digits, length]) + content
