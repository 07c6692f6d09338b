"""Where it listens, and under which names."""

import socket
from pathlib import Path

import pytest

from mien.deploy.server.certificate_authority import CertificateAuthority
from mien.edge.aim.address import ListenAddress, host_of
from mien.errors import ConfigurationError, UsageError
from mien.mqtt.settings import MqttSettings


@pytest.fixture
def mqtt(tmp_path: Path) -> MqttSettings:
    """With a device's certificate."""
    CertificateAuthority.create(tmp_path / "authority", "test").issue_client("hallway").write(tmp_path / "device")
    return MqttSettings(
        host="mien.example.org",
        certificate_file=str(tmp_path / "device.crt"),
        key_file=str(tmp_path / "device.key"),
    )


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("127.0.0.1:8502", "127.0.0.1"),
        ("localhost", "localhost"),
        ("LOCALHOST:80", "localhost"),
        ("[::1]:8502", "::1"),
        ("[fd00::2]", "fd00::2"),
        ("", ""),
        ("evil.example:8502", "evil.example"),
        ("127.0.0.1:8502:x", "127.0.0.1:8502:x"),
    ],
)
def test_the_host_is_that_of_the_header(header: str, host: str) -> None:
    assert host_of(header) == host


def test_by_default_only_this_machine_is_served() -> None:
    address = ListenAddress.local()
    assert address.names == {"localhost", "127.0.0.1", "::1"}
    assert address.url(8502, "TOKEN") == "http://127.0.0.1:8502/#TOKEN"


def test_on_the_network_it_has_the_device_s_certificate(mqtt: MqttSettings) -> None:
    address = ListenAddress.on_network("192.0.2.2", mqtt)
    assert address.tls is not None
    assert {"192.0.2.2", socket.gethostname().lower()} <= address.names
    assert "localhost" not in address.names
    assert len(address.fingerprint.split(":")) == 32
    assert address.url(8502, "TOKEN") == "https://192.0.2.2:8502/#TOKEN"
    assert ListenAddress.on_network("fd00::2", mqtt).url(1, "T") == "https://[fd00::2]:1/#T"


@pytest.mark.parametrize("wrong", ["0.0.0.0", "::", "hallway", "192.0.2", "fe80::1%eth0", "192.0.2.2:80"])  # noqa: S104
def test_an_address_that_no_browser_can_open_is_refused(wrong: str, mqtt: MqttSettings) -> None:
    with pytest.raises(UsageError, match=r"name one IP address of this device \(`hostname -I` lists them\)"):
        ListenAddress.on_network(wrong, mqtt)


def test_without_a_certificate_it_stays_on_this_machine() -> None:
    with pytest.raises(
        ConfigurationError, match=r"set mqtt\.certificate_file and mqtt\.key_file, or leave --listen out"
    ):
        ListenAddress.on_network("192.0.2.2", MqttSettings())


def test_a_key_that_cannot_be_read_is_named(mqtt: MqttSettings) -> None:
    assert mqtt.key_file
    Path(mqtt.key_file).unlink()
    with pytest.raises(ConfigurationError, match=r"cannot be used .*: run this as the agent's user, `sudo -u mien"):
        ListenAddress.on_network("192.0.2.2", mqtt)


def test_a_port_in_use_is_named() -> None:
    with ListenAddress.local().bind(0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1, port {port} .*: choose another"):
            ListenAddress.local().bind(port)
