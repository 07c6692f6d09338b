"""A thief has a device's SD card, or the device: what can be read on it, and how fast it is locked out."""

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bundles import BundleFactory, FakeService, bundle_factory
from device_settings import device_mqtt_settings
from mosquitto import Mosquitto, free_port
from sd_cards import TRIXIE_FILES, write_stub_packages

from mien.cli import main
from mien.deploy.device.wifi import Wifi
from mien.deploy.installer.installation import Installation
from mien.deploy.raspberry_pi_os import TRIXIE
from mien.deploy.server.folder import ServerFolder
from mien.deploy.server.revocation import revoke_device
from mien.mqtt.settings import MqttSettings

PASSPHRASE = "correct horse battery"  # noqa: S105
CONNECT = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04stol"
ACCEPTED = b"\x20\x02\x00\x00"


@pytest.fixture
def server(tmp_path: Path) -> ServerFolder:
    server = ServerFolder.create(tmp_path / "server", ["localhost"], free_port())
    server.add("kitchen")
    return server


@pytest.fixture
def broker(server: ServerFolder) -> Iterator[Mosquitto]:
    broker = Mosquitto(server.path / "mosquitto" / "mosquitto.conf", server.server.port).start()
    yield broker
    broker.kill()


@pytest.fixture
def make_bundle(tmp_path: Path, server: ServerFolder) -> BundleFactory:
    return bundle_factory(tmp_path, server)


class Thief:
    """Connects with a stolen key, again and again, and tells TLS to resume its former session."""

    def __init__(self, settings: MqttSettings) -> None:
        context = settings.tls_context()
        assert context is not None
        self._context, self._address = context, settings.address
        self._session: ssl.SSLSession | None = None
        self._stopping = threading.Event()
        self.connections = 0
        self.last_accepted_s = 0.0
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Thief":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def connect(self) -> ssl.SSLSocket | None:
        """A connection that the MQTT broker accepted."""
        plain = socket.create_connection(self._address, timeout=3.0)
        try:
            connection = self._context.wrap_socket(plain, server_hostname="localhost", session=self._session)
            connection.sendall(CONNECT)
            if connection.recv(4) == ACCEPTED:
                self._session = connection.session
                return connection
        except OSError:
            pass
        plain.close()
        return None

    def _run(self) -> None:
        while not self._stopping.is_set():
            if (connection := self.connect()) is None:
                continue
            self.connections += 1
            with connection:
                connection.settimeout(0.05)
                while not self._stopping.is_set():
                    self.last_accepted_s = time.monotonic()
                    try:
                        if not connection.recv(1):
                            break
                    except TimeoutError:
                        continue
                    except OSError:
                        break


def test_a_revoked_device_is_thrown_out_and_cannot_come_back(server: ServerFolder, broker: Mosquitto) -> None:
    """Not even with the TLS session that it had, and while it connects as fast as it can."""
    with Thief(device_mqtt_settings(server, "kitchen")) as thief:
        deadline_s = time.monotonic() + 10
        while not thief.connections and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert thief.connections
        assert revoke_device(server, "kitchen")
        revoked_s = time.monotonic()
        time.sleep(1.0)
        assert thief.last_accepted_s <= revoked_s + 0.1  # its own loop takes up to 0.05 s to notice
        assert thief.connect() is None


def test_without_the_end_of_its_connection_it_would_stay(server: ServerFolder, broker: Mosquitto) -> None:
    """Without this the test above would prove nothing."""
    with Thief(device_mqtt_settings(server, "kitchen")) as thief:
        deadline_s = time.monotonic() + 10
        while not thief.connections and time.monotonic() < deadline_s:
            time.sleep(0.01)
        server.revoke("kitchen")  # permissions and certificate only
        time.sleep(1.0)
        assert time.monotonic() - thief.last_accepted_s < 0.5


def test_the_key_is_overwritten_where_it_was(tmp_path: Path, make_bundle: BundleFactory) -> None:
    """A second name of each file shows what its place on the disk contains once the first is deleted."""
    bundle = make_bundle(extra="password")
    places = {}
    for file in bundle.secrets:
        places[file.name] = tmp_path / f"place-of-{file.name}"
        places[file.name].hardlink_to(file)
        assert any(places[file.name].read_bytes())
    assert places.keys() == {"device.key", "password"}
    sizes = {name: place.stat().st_size for name, place in places.items()}
    Installation(tmp_path / "root", FakeService()).install(bundle)
    for name, place in places.items():
        assert place.read_bytes() == bytes(sizes[name])
    assert not any(file.exists() for file in bundle.secrets)


def test_the_key_of_a_device_that_is_removed_is_overwritten_too(tmp_path: Path, make_bundle: BundleFactory) -> None:
    installation = Installation(tmp_path / "root", FakeService())
    installation.install(make_bundle())
    place = tmp_path / "place"
    place.hardlink_to(tmp_path / "root" / "etc" / "mien" / "device.key")
    installation.uninstall()
    assert place.read_bytes() == bytes(place.stat().st_size)


def test_a_power_cut_after_the_overwriting_does_not_stop_the_next_boot(
    tmp_path: Path, make_bundle: BundleFactory
) -> None:
    bundle, installation = make_bundle(), Installation(tmp_path / "root", FakeService())
    key = bundle.key.read_bytes()
    installation.install(bundle)
    bundle.key.write_bytes(bytes(len(key)))  # its file was not deleted any more: the first-boot unit starts again
    assert installation.install(bundle).startswith("kitchen: installed release")
    assert not bundle.key.exists()
    assert (tmp_path / "root" / "etc" / "mien" / "device.key").read_bytes() == key


@pytest.fixture
def sd_card(tmp_path: Path, server: ServerFolder, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A card that was flashed with a Wi-Fi's key, mounted."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_stub_packages(TRIXIE, tmp_path / "cache" / "mien")
    card = tmp_path / "bootfs"
    card.mkdir()
    for name, content in TRIXIE_FILES.items():
        (card / name).write_bytes(content)
    assert _flash(server, card) == 0
    return card


def _flash(server: ServerFolder, card: Path, *options: str) -> int:
    (server.path.parent / "passphrase").write_text(PASSPHRASE)
    wifi = ["--wifi", "Home", "--wifi-country", "NL", "--wifi-password-file", str(server.path.parent / "passphrase")]
    return main(["flash", "kitchen", "--server", str(server.path), "--target", str(card), *wifi, *options])


def _forget(card: Path, root: Path) -> subprocess.CompletedProcess[str]:
    """What the unit mien-wifi-key runs."""
    command = ["/bin/sh", str(card / "mien" / "install.sh"), "forget-wifi-key", "--root", str(root)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_wifi_s_key_leaves_the_card_once_the_pi_has_joined(tmp_path: Path, sd_card: Path) -> None:
    psk = (Wifi(ssid="Home", country="NL").with_passphrase(PASSPHRASE).psk or "").encode()
    assert len(psk) == 64
    network_config = sd_card / "network-config"
    place = tmp_path / "place"
    place.hardlink_to(network_config)
    assert psk in place.read_bytes()
    interface = tmp_path / "pi" / "sys" / "class" / "net" / "wlan0"
    interface.mkdir(parents=True)
    (interface / "operstate").write_text("up\n")
    result = _forget(sd_card, tmp_path / "pi")
    assert result.stdout == "removed the Wi-Fi's key from the boot partition\n", result.stderr
    assert psk not in place.read_bytes()
    assert place.samefile(network_config)
    assert b'"eth0"' in network_config.read_bytes()
    assert not [file for file in sd_card.rglob("*") if file.is_file() and psk in file.read_bytes()]
    assert not (sd_card / "mien" / "wifi-key-on-card").exists()


def test_a_card_that_is_flashed_again_is_overwritten_first(tmp_path: Path, server: ServerFolder, sd_card: Path) -> None:
    places = {}
    for name in ("network-config", "mien/device/device.key"):
        places[name] = tmp_path / Path(name).name
        places[name].hardlink_to(sd_card / name)
    key = places["mien/device/device.key"].read_bytes()
    assert _flash(server, sd_card) == 0
    assert not any(places["mien/device/device.key"].read_bytes())
    assert (sd_card / "mien" / "device" / "device.key").read_bytes() == key
    shutil.rmtree(sd_card)
