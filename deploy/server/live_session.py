"""Ends the connection of a revoked device: mosquitto checks a certificate only when its client connects."""

import os
import socket
import ssl
import time
from dataclasses import dataclass

from mien.errors import SessionMayBeOpen

from .certificate_authority import Identity

RELOAD_TIMEOUT_S = 10.0
"""mosquitto reads the revocation list again within one pass of its loop, which a flood can make slow."""
RESPONSE_TIMEOUT_S = 5.0
POLL_S = 0.1
RESTART = "restart the MQTT broker (`sudo systemctl restart mien-mosquitto`, or `docker compose restart mosquitto`)"


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the MQTT broker listens, and the name in its certificate."""

    host: str
    port: int
    name: str
    authority: bytes
    """The certificate, as PEM, of the authority that issued the broker's."""


def end_session(broker: BrokerAddress, device: str, revoked: Identity, successor: Identity) -> None:
    """End the connection of a device whose identity was revoked, and return once it cannot come back.

    `successor` is an identity of the same name: its connection takes over the device's, because the MQTT broker uses
    the name as client ID. SessionMayBeOpen if that is not certain.
    """
    try:
        deadline_s = time.monotonic() + RELOAD_TIMEOUT_S
        while _is_accepted(broker, device, revoked):
            if time.monotonic() > deadline_s:
                raise failure(device, "the MQTT broker still accepts its certificate")
            time.sleep(POLL_S)
        if not _is_accepted(broker, device, successor):
            raise failure(device, "the MQTT broker refused the connection that would have taken it over")
    except OSError as error:
        raise failure(device, f"at {broker.host}:{broker.port}: {error}") from error


def failure(device: str, reason: str) -> SessionMayBeOpen:
    """The error that says why it is not certain."""
    return SessionMayBeOpen(f"{device} is revoked, but a connection of it may still be open ({reason}): {RESTART}")


def _is_accepted(broker: BrokerAddress, device: str, identity: Identity) -> bool:
    """Whether the MQTT broker accepts a connection of this identity. OSError if nothing listens there."""
    context = ssl.create_default_context(cadata=broker.authority.decode())
    _load_identity(context, identity)
    with socket.create_connection((broker.host, broker.port), timeout=RESPONSE_TIMEOUT_S) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=broker.name) as connection:
                connection.sendall(_connect_packet(f"mien-{device}"))
                response = connection.recv(4)
                if response == b"\x20\x02\x00\x00":  # CONNACK: accepted, and no session was kept
                    connection.sendall(b"\xe0\x00")  # DISCONNECT
                    return True
        except TimeoutError:
            raise
        except OSError:  # a refused certificate shows in the handshake, or in TLS 1.3 as the end of the connection
            return False
    return False


def _connect_packet(client_id: str) -> bytes:
    """CONNECT of MQTT 3.1.1 with a clean session, which the broker forgets at its end."""
    body = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(client_id).to_bytes(2, "big") + client_id.encode()
    return bytes([0x10, len(body)]) + body


def _load_identity(context: ssl.SSLContext, identity: Identity) -> None:
    """From memory: the key of the successor is never on a disk."""
    descriptor = os.memfd_create("identity")
    try:
        os.write(descriptor, identity.certificate + identity.key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
