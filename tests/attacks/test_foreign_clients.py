"""Somebody on the network connects to the MQTT broker without a valid certificate."""

import ssl
from pathlib import Path

import pytest
from device_settings import device_mqtt_settings
from mosquitto import Mosquitto
from raw_client import connect, is_refused

from mien.deploy.server.certificate_authority import CertificateAuthority, Identity
from mien.deploy.server.folder import ServerFolder


def test_a_client_without_a_certificate_is_refused(server: ServerFolder, broker: Mosquitto) -> None:
    mqtt = device_mqtt_settings(server, "kitchen")
    assert is_refused(mqtt, ssl.create_default_context(cafile=mqtt.ca_file))


def test_a_client_without_encryption_is_refused(server: ServerFolder, broker: Mosquitto) -> None:
    assert is_refused(device_mqtt_settings(server, "kitchen"), None)


def test_a_certificate_of_another_authority_is_refused(tmp_path: Path, server: ServerFolder, broker: Mosquitto) -> None:
    other = CertificateAuthority.create(tmp_path / "other", "elsewhere")
    for identity in (other.issue_client("kitchen"), other.issue_client("_collector-collector")):
        assert is_refused(device_mqtt_settings(server, "kitchen"), _tls_context(tmp_path, server, identity))


def test_a_certificate_that_a_device_issued_is_refused(tmp_path: Path, server: ServerFolder, broker: Mosquitto) -> None:
    """A device has a key and a certificate of the authority's, but is none itself."""
    forger = tmp_path / "forger"
    CertificateAuthority.create(forger, "forger")
    device = server.path / "devices" / "kitchen"
    (forger / "ca.crt").write_bytes((device / "device.crt").read_bytes())
    (forger / "ca.key").write_bytes((device / "device.key").read_bytes())
    identity = CertificateAuthority(forger).issue_client("hallway")
    chain = Identity(identity.certificate + (device / "device.crt").read_bytes(), identity.key)
    assert is_refused(device_mqtt_settings(server, "kitchen"), _tls_context(tmp_path, server, chain))


def test_the_certificate_of_a_server_is_refused(tmp_path: Path, server: ServerFolder, broker: Mosquitto) -> None:
    """The dashboard's, for example, whose program is the easiest to reach."""
    dashboard = server.path / "dashboard"
    identity = Identity((dashboard / "server.crt").read_bytes(), (dashboard / "server.key").read_bytes())
    assert is_refused(device_mqtt_settings(server, "kitchen"), _tls_context(tmp_path, server, identity))


def test_an_expired_certificate_is_refused(tmp_path: Path, server: ServerFolder, broker: Mosquitto) -> None:
    expired = CertificateAuthority(server.path / "certificate-authority").issue_client("kitchen", days=-1)
    assert is_refused(device_mqtt_settings(server, "kitchen"), _tls_context(tmp_path, server, expired))


def test_a_revoked_certificate_is_refused(server: ServerFolder, broker: Mosquitto) -> None:
    mqtt = device_mqtt_settings(server, "kitchen")
    context = mqtt.tls_context()
    server.revoke("kitchen")
    broker.stop()
    broker.start()
    assert is_refused(mqtt, context)


@pytest.mark.parametrize("name", ["kitchen", "hallway"])
def test_a_device_s_own_certificate_is_accepted(server: ServerFolder, broker: Mosquitto, name: str) -> None:
    """Without this the refusals above would prove nothing."""
    with connect(device_mqtt_settings(server, name)) as client:
        assert client.next("connected") == "Success"


def _tls_context(tmp_path: Path, server: ServerFolder, identity: Identity) -> ssl.SSLContext:
    identity.write(tmp_path / "client")
    context = ssl.create_default_context(cafile=server.path / "certificate-authority" / "ca.crt")
    context.load_cert_chain(tmp_path / "client.crt", tmp_path / "client.key")
    return context
