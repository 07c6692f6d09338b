"""A socket that takes publications out of the stream of MQTT packets before paho sees them."""

import socket
import ssl
from collections.abc import Callable

RECEIVE_BYTES = 262_144
"""Read at once: some 350 observations."""
PUBLISH = 0x30
PUBACK = b"\x40\x02"
"""The header of an acknowledgement without a reason code, which means success (MQTT 5, 3.4.2.1)."""

Receiver = Callable[[bytes, bytes], None]
"""Called with the topic, which may not be UTF-8, and the payload of each publication; must return quickly."""


class PacketSocket:
    """A broker's connection as paho's client needs it, except that publications go to `receiver`.

    paho reads each packet with four system calls and gives up Python's interpreter lock at each, which a busy program
    gives back only milliseconds later. This reads up to RECEIVE_BYTES at once, hands over all publications in it and
    acknowledges them together. All other packets, and publications at QoS 2 or malformed ones, are left to paho.
    """

    def __init__(self, connection: socket.socket, *, is_version_5: bool, receiver: Receiver) -> None:
        self._socket = connection
        self._is_version_5 = is_version_5
        self._receiver = receiver
        self._data = b""
        """From the first packet that is not processed yet; its beginning may have been processed up to `_position`."""
        self._position = 0
        self._buffer = memoryview(bytearray(RECEIVE_BYTES))
        self._chunks: list[bytes] = []
        """Received after `_data`; joined when `_data`'s first packet is complete."""
        self._missing_bytes = 0
        """Until then."""
        self._packet_end = 0
        """End of the packet that is left to paho; `_position` if there is none."""
        self._failure: OSError | None = None
        self._is_at_end = False
        self._acknowledgements = bytearray()
        self._is_within_packet = False
        """Whether paho has sent only a part of a packet: nothing may be sent in between."""

    # What paho's client calls

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def setblocking(self, flag: bool) -> None:
        self._socket.setblocking(flag)

    def pending(self) -> int:
        """Bytes that the operating system does not know of any more, so that select() would not wake up for them."""
        return self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0

    def recv(self, size: int) -> bytes:
        """The next bytes of a packet that is left to paho. BlockingIOError if there is none."""
        if self._position < self._packet_end:
            begin = self._position
            self._position = min(begin + size, self._packet_end)
            return self._data[begin : self._position]
        if self._failure is not None:
            raise self._failure
        if self._is_at_end:
            return b""
        raise BlockingIOError

    def send(self, content: bytes | bytearray) -> int:
        if not self.flush():
            raise BlockingIOError
        self._is_within_packet = True  # an encrypted connection must repeat a write that it could not finish
        sent = self._socket.send(content)
        self._is_within_packet = sent < len(content)
        return sent

    # What mien's client calls

    @property
    def must_send(self) -> bool:
        """Whether acknowledgements wait until the socket accepts them."""
        return bool(self._acknowledgements)

    def fill(self) -> None:
        """Read what has arrived, at most RECEIVE_BYTES. A failure, or the connection's end, is passed on to paho."""
        size = 0
        try:
            while size < RECEIVE_BYTES and not self._is_at_end:
                received = self._socket.recv_into(self._buffer[size:])
                self._is_at_end = received == 0
                size += received
                if not isinstance(self._socket, ssl.SSLSocket):
                    break  # it has given everything; an encrypted one gives at most 16 KiB at once
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError as error:
            self._failure = error
        if size:
            self._chunks.append(bytes(self._buffer[:size]))
            self._missing_bytes -= size

    def take_publications(self) -> bool:
        """Hand over the complete publications up to the next other packet; whether there is something for paho."""
        if self._missing_bytes <= 0:
            self._join()
            data, position = self._data, self._position
            while (packet := _find_packet(data, position)) is not None:
                begin, end = packet
                if end > len(data):
                    self._missing_bytes = end - len(data)
                    break
                if not self._take_publication(data[position], begin, end):
                    self._position, self._packet_end = position, end
                    return True
                position = end
            self._position = self._packet_end = position
        return self._failure is not None or self._is_at_end

    def _join(self) -> None:
        self._missing_bytes = 0
        if self._chunks:
            self._data = b"".join([self._data[self._position :], *self._chunks])
            self._position = 0
            self._chunks.clear()

    def _take_publication(self, header: int, begin: int, end: int) -> bool:
        """Hand over the packet whose content goes from `begin` to `end`; False if paho has to examine it."""
        quality = header & 0x06
        if header & 0xF0 != PUBLISH or quality > 0x02 or end - begin < 2:
            return False
        data = self._data
        topic_end = begin + 2 + (data[begin] << 8 | data[begin + 1])
        payload_begin = topic_end + 2 if quality else topic_end
        if self._is_version_5 and payload_begin < end:
            properties_bytes, payload_begin = _decode_length(data, payload_begin)
            payload_begin += properties_bytes
        if payload_begin > end or topic_end == begin + 2:
            return False
        if quality:
            self._acknowledgements += PUBACK
            self._acknowledgements += data[topic_end : topic_end + 2]
        self._receiver(data[begin + 2 : topic_end], data[payload_begin:end])
        return True

    def flush(self) -> bool:
        """Send the acknowledgements; False if some of them must wait."""
        if self._acknowledgements and not self._is_within_packet:
            try:
                sent = self._socket.send(self._acknowledgements)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            except OSError as error:
                self._failure = error
                return False
            del self._acknowledgements[:sent]
        return self._is_within_packet or not self._acknowledgements


def _find_packet(data: bytes, position: int) -> tuple[int, int] | None:
    """Where the content of the packet at `position` begins and ends, even if it is not complete; None if not known."""
    available = len(data) - position
    if available >= 2 and (length := data[position + 1]) < 0x80:
        return position + 2, position + 2 + length
    if available < 5 and (available < 2 or all(byte >= 0x80 for byte in data[position + 1 :])):
        return None
    length, begin = _decode_length(data, position + 1)
    return begin, begin + length


def _decode_length(data: bytes, position: int) -> tuple[int, int]:
    """A variable byte integer (MQTT 5, 1.5.5) and where it ends, at most four bytes on."""
    length = shift = 0
    for end in range(position + 1, min(position + 4, len(data)) + 1):
        byte = data[end - 1]
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return length, end
        shift += 7
    return length, min(position + 4, len(data))
