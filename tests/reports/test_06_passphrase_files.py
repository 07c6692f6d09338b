"""Passphrases and keys in files as Windows writes them: the Pi joins, or the encoding is named."""

import io
import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from sd_cards import TRIXIE_FILES, write_stub_packages

from mien.cli import main
from mien.deploy.device.wifi import Wifi
from mien.deploy.raspberry_pi_os import TRIXIE
from mien.deploy.server.folder import ServerFolder

PASSPHRASE = "Grüße aus Köln"  # noqa: S105
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 jane@laptop"
WINDOWS_ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "mark": lambda text: text.encode("utf-8-sig"),
    "line ends": lambda text: text.replace("\n", "\r\n").encode(),
    "UTF-16": lambda text: ("\ufeff" + text.replace("\n", "\r\n")).encode("utf-16-le"),
    "UTF-16BE": lambda text: ("\ufeff" + text).encode("utf-16-be"),
}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServerFolder:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_stub_packages(TRIXIE, tmp_path / "cache" / "mien")
    server = ServerFolder.create(tmp_path / "server", ["mien.example.org"], 8883)
    server.add("kitchen")
    return server


@pytest.fixture
def card(tmp_path: Path) -> Path:
    (tmp_path / "bootfs").mkdir()
    for name, content in TRIXIE_FILES.items():
        (tmp_path / "bootfs" / name).write_bytes(content)
    return tmp_path / "bootfs"


def flash(server: ServerFolder, card: Path, *options: str) -> int:
    wifi = ["--wifi", "Home", "--wifi-country", "DE", *options]
    return main(["flash", "kitchen", "--server", str(server.path), "--target", str(card), *wifi])


def read_psk(card: Path) -> str:
    network = json.loads((card / "network-config").read_text())["network"]
    return str(network["wifis"]["wlan0"]["access-points"]["Home"]["password"])


@pytest.mark.parametrize("kind", WINDOWS_ENCODINGS)
def test_a_passphrase_an_ssh_key_and_settings_are_read_in_any_unicode(
    tmp_path: Path, server: ServerFolder, card: Path, kind: str
) -> None:
    encode = WINDOWS_ENCODINGS[kind]
    (tmp_path / "wifi.txt").write_bytes(encode(f"{PASSPHRASE}\n"))
    (tmp_path / "id.pub").write_bytes(encode(f"{SSH_KEY}\n"))
    settings = server.path / "devices" / "kitchen" / "agent.toml"
    written = settings.read_text()
    settings.write_bytes(encode(written))
    assert flash(server, card, "--wifi-password-file", f"{tmp_path}/wifi.txt", "--ssh-key", f"{tmp_path}/id.pub") == 0
    assert read_psk(card) == Wifi(ssid="Home", country="DE").with_passphrase(PASSPHRASE).psk
    user_data = json.loads((card / "user-data").read_text().partition("\n")[2])
    assert user_data["user"]["ssh_authorized_keys"] == [SSH_KEY]
    assert (card / "mien" / "device" / "agent.toml").read_text(encoding="utf-8") == written
    assert tomllib.loads(written)["device"] == "kitchen"


@pytest.mark.parametrize("kind", WINDOWS_ENCODINGS)
def test_a_passphrase_on_standard_input_is_read_in_any_unicode(
    server: ServerFolder, card: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    content = WINDOWS_ENCODINGS[kind](f"{PASSPHRASE}\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert flash(server, card) == 0
    assert read_psk(card) == Wifi(ssid="Home", country="DE").with_passphrase(PASSPHRASE).psk


@pytest.mark.parametrize("name", ["wifi.txt", "id.pub", "server/devices/kitchen/agent.toml"])
def test_another_encoding_is_named_and_nothing_is_written(
    tmp_path: Path, server: ServerFolder, card: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wifi.txt").write_text(PASSPHRASE, encoding="utf-8")
    (tmp_path / "id.pub").write_text(SSH_KEY)
    with (tmp_path / name).open("ab") as file:
        file.write("# Küche".encode("latin-1"))
    assert flash(server, card, "--wifi-password-file", f"{tmp_path}/wifi.txt", "--ssh-key", f"{tmp_path}/id.pub") != 0
    error = capsys.readouterr().err
    assert "is not UTF-8 but probably Latin-1 or Windows-1252" in error
    assert Path(name).name in error
    assert PASSPHRASE not in error
    assert {file.name for file in card.iterdir()} == set(TRIXIE_FILES)


def test_a_file_without_a_passphrase_is_named(
    tmp_path: Path, server: ServerFolder, card: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wifi.txt").write_bytes(b"\xef\xbb\xbf\r\n")
    assert flash(server, card, "--wifi-password-file", f"{tmp_path}/wifi.txt") == 2
    assert "wifi.txt is empty: write one line into it" in capsys.readouterr().err
