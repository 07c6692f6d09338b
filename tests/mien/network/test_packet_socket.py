"""Publications are taken out of the stream, wherever it is cut, and paho gets every other packet whole."""

import contextlib
import random
import socket
import struct
from collections.abc import Iterator

import pytest

from mien.network.packet_socket import RECEIVE_BYTES, PacketSocket

PINGRESP = b"\xd0\x00"


def packet(header: int, content: bytes) -> bytes:
    length, digits = len(content), bytearray()
    while length > 127:
        digits.append(length & 127 | 128)
        length >>= 7
    return bytes([header, *digits, length]) + content


def publish(
    topic: bytes, payload: bytes, *, qos: int = 1, message_id: int = 1, properties: bytes | None = None
) -> bytes:
    """`properties`: None in version 3.1.1, which has none."""
    content = struct.pack("!H", len(topic)) + topic + (struct.pack("!H", message_id) if qos else b"")
    if properties is not None:
        content += packet(0, properties)[1:]
    return packet(0x30 | qos << 1, content + payload)


class Stream:
    """Both ends of a connection, and what the near end has handed over."""

    def __init__(self, *, is_version_5: bool) -> None:
        self.far, near = socket.socketpair()
        near.setblocking(False)
        self.publications: list[tuple[bytes, bytes]] = []
        self.for_paho = b""
        self.packets = PacketSocket(
            near, is_version_5=is_version_5, receiver=lambda *publication: self.publications.append(publication)
        )

    def process(self) -> None:
        """What mien's client does when the socket is readable."""
        self.packets.fill()
        while self.packets.take_publications():
            self.read_one_packet()
        self.packets.flush()

    def read_one_packet(self) -> None:
        """As paho reads: the type, the length byte by byte, and the rest."""
        packet = self.packets.recv(1)
        if not packet:
            raise EOFError
        length = shift = 0
        while True:
            byte = self.packets.recv(1)
            packet += byte
            length |= (byte[0] & 127) << shift
            shift += 7
            if byte[0] < 128:
                break
        while length:
            chunk = self.packets.recv(length)
            packet += chunk
            length -= len(chunk)
        self.for_paho += packet
        with pytest.raises(BlockingIOError):
            self.packets.recv(1)


@pytest.fixture(params=[False, True], ids=["3.1.1", "5"])
def stream(request: pytest.FixtureRequest) -> Iterator[Stream]:
    stream = Stream(is_version_5=request.param)
    with stream.far:
        yield stream
        stream.packets.close()


def test_any_sequence_of_packets_arrives_wherever_it_is_cut(stream: Stream) -> None:
    source = random.Random(5)
    expected: list[tuple[bytes, bytes]] = []
    content, for_paho, acknowledgements = b"", b"", b""
    for number in range(1, 400):
        topic, payload = b"t" * source.choice([1, 20, 127, 128]), source.randbytes(source.choice([0, 1, 90, 120, 700]))
        if source.random() < 0.02:
            payload = source.randbytes(2 * RECEIVE_BYTES)
        qos = source.choice([0, 1, 1, 2])
        properties = None
        if stream.packets._is_version_5:
            properties = source.choice([b"", b"\x26" + (b"\x00\x40" + b"k" * 64) * 2])
        one = publish(topic, payload, qos=qos, message_id=number, properties=properties)
        content += one
        if qos == 2:
            for_paho += one
        else:
            expected.append((topic, payload))
            acknowledgements += b"\x40\x02" + struct.pack("!H", number) if qos else b""
        if source.random() < 0.2:
            other = source.choice([PINGRESP, packet(0x90, source.randbytes(200))])
            content += other
            for_paho += other
    sent = b""
    stream.far.setblocking(False)
    position = 0
    while position < len(content):
        step = source.choice([1, 2, 3, 700, 10_000, 100_000])
        position += stream.far.send(content[position : position + step])
        for _ in range(3):
            stream.process()
        with contextlib.suppress(BlockingIOError):
            sent += stream.far.recv(100_000)
    assert stream.publications == expected
    assert stream.for_paho == for_paho
    assert sent == acknowledgements


@pytest.mark.parametrize(
    "malformed",
    [
        packet(0x32, b""),
        packet(0x32, b"\x00"),
        packet(0x32, b"\x00\x05abc"),
        packet(0x32, b"\x00\x03abc"),
        packet(0x32, b"\x00\x03abc\x00"),
        packet(0x32, b"\x00\x00\x00\x01\x00"),
        packet(0x36, b"\x00\x03abc\x00\x01\x00"),
    ],
)
def test_a_malformed_publication_is_left_to_paho(stream: Stream, malformed: bytes) -> None:
    stream.far.sendall(malformed)
    stream.process()
    assert stream.publications == []
    assert stream.for_paho == malformed


def test_the_end_of_the_connection_reaches_paho_after_all_that_came_before(stream: Stream) -> None:
    properties = b"" if stream.packets._is_version_5 else None
    stream.far.sendall(publish(b"t", b"last", properties=properties))
    stream.far.shutdown(socket.SHUT_WR)
    stream.process()
    with pytest.raises(EOFError):
        stream.process()
    assert stream.publications == [(b"t", b"last")]


def test_acknowledgements_never_get_into_the_middle_of_a_packet(stream: Stream) -> None:
    properties = b"" if stream.packets._is_version_5 else None
    large = bytes(range(256)) * 20_000
    sent = stream.packets.send(large)
    assert 0 < sent < len(large)
    stream.far.sendall(publish(b"t", b"1", message_id=7, properties=properties))
    stream.process()
    assert stream.publications == [(b"t", b"1")]
    assert stream.packets.must_send
    received = b""
    while sent < len(large):
        received += stream.far.recv(1_000_000)
        try:
            sent += stream.packets.send(large[sent:])
        except BlockingIOError:
            continue
    while len(received) < len(large):
        received += stream.far.recv(1_000_000)
    assert received == large
    assert stream.packets.flush()
    assert not stream.packets.must_send
    assert stream.far.recv(100) == b"\x40\x02\x00\x07"
