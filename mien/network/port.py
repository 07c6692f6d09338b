"""Finds out what a TCP port speaks, for a client that it did not understand; sends neither names nor passwords."""

import socket
import ssl

RESPONSE_TIMEOUT_S = 2.0
"""For each step: a server that speaks what it is asked in responds at once."""
MQTT_CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"
"""MQTT 3.1.1, without a client ID, which collides with no other; brokers of all versions respond, if only to refuse."""
CONNACK = 0x20
HTTP_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
NOT_TLS = ("WRONG_VERSION_NUMBER", "UNEXPECTED_EOF_WHILE_READING", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
"""OpenSSL's reasons for a peer that does not respond in TLS; with any other, it does, even if it refuses."""

Address = tuple[str, int]


def speaks_mqtt(address: Address, tls: ssl.SSLContext | None = None, *, timeout_s: float = RESPONSE_TIMEOUT_S) -> bool:
    """Whether an MQTT broker responds there, without websockets; over TLS if `tls` is given."""
    return _exchange(address, MQTT_CONNECT, tls, timeout_s)[:1] == bytes([CONNACK])


def speaks_http(address: Address, tls: ssl.SSLContext | None = None, *, timeout_s: float = RESPONSE_TIMEOUT_S) -> bool:
    """Whether a web server or an MQTT broker's websockets respond there; over TLS if `tls` is given."""
    return _exchange(address, HTTP_REQUEST, tls, timeout_s).startswith(b"HTTP/")


def speaks_tls(address: Address, *, timeout_s: float = RESPONSE_TIMEOUT_S) -> bool:
    """Whether the server there responds in TLS, whatever its certificate and whether it accepts this client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent over it
    try:
        with (
            socket.create_connection(address, timeout=timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=address[0]),
        ):
            return True
    except ssl.SSLError as error:
        return error.reason is not None and error.reason not in NOT_TLS
    except (OSError, ValueError):
        return False


def _exchange(address: Address, request: bytes, tls: ssl.SSLContext | None, timeout_s: float) -> bytes:
    """The beginning of the response; empty if there is none."""
    try:
        with socket.create_connection(address, timeout=timeout_s) as plain:
            if tls is None:
                plain.sendall(request)
                return plain.recv(16)
            with tls.wrap_socket(plain, server_hostname=address[0]) as encrypted:
                encrypted.sendall(request)
                return encrypted.recv(16)
    except (OSError, ValueError):
        return b""
