"""Revokes a device: its permissions, its certificate, and the connection that it may have."""

import socket

from .certificate_authority import CertificateAuthority, Identity
from .folder import ServerFolder
from .live_session import RESPONSE_TIMEOUT_S, BrokerAddress, end_session, failure

SUCCESSOR_DAYS = 1


def revoke_device(folder: ServerFolder, name: str) -> bool:
    """Revoke a device; False if no MQTT broker runs, which refuses the device once it does.

    UsageError if there is no such device. SessionMayBeOpen if the device is revoked, but may still be connected.
    """
    device = folder.device(name).folder
    certificate, key_file = (device / "device.crt").read_bytes(), device / "device.key"
    revoked = Identity(certificate, key_file.read_bytes()) if key_file.exists() else None
    folder.revoke(name)
    is_running = folder.mosquitto_pid is not None
    address = folder.server.hosts[0], folder.server.port
    if not is_running and _is_closed(*address):
        return False
    if "\nuse_username_as_clientid true\n" not in (folder.path / "mosquitto" / "mosquitto.conf").read_text():
        raise failure(name, "mosquitto.conf lacks `use_username_as_clientid true`, so that it may have any client ID")
    if revoked is None:
        raise failure(name, f"without {key_file} nobody can try whether it is refused")
    authority = CertificateAuthority(folder.path / "certificate-authority")
    host = "127.0.0.1" if is_running else address[0]
    broker = BrokerAddress(host, address[1], address[0], authority.certificate)
    end_session(broker, name, revoked, authority.issue_client(name, days=SUCCESSOR_DAYS))
    folder.record_end_of_session(name)
    return True


def _is_closed(host: str, port: int) -> bool:
    """Whether the machine answers that nothing listens there."""
    try:
        socket.create_connection((host, port), timeout=RESPONSE_TIMEOUT_S).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
