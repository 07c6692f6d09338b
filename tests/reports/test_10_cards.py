"""SD cards: images of any kind, networks of any kind, and no question before what is wrong has been said."""

import gzip
import json
import lzma
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from sd_cards import (
    BOOKWORM_FILES,
    TRIXIE_FILES,
    check_boot_partition,
    create_sd_card_image,
    unpack_boot_partition,
    write_stub_packages,
)

from mien.cli import main
from mien.deploy.raspberry_pi_os import BOOKWORM, TRIXIE
from mien.deploy.server.folder import ServerFolder

KEY = "0123456789abcdef" * 4


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServerFolder:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for os_release in (TRIXIE, BOOKWORM):
        write_stub_packages(os_release, tmp_path / "cache" / "mien")
    server = ServerFolder.create(tmp_path / "server", ["mien.example.org"], 8883)
    server.add("kitchen")
    return server


def mount(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def flash(server: ServerFolder, target: Path, *options: str) -> int:
    return main(["flash", "kitchen", "--server", str(server.path), "--target", str(target), *options])


def read_access_points(card: Path) -> dict[str, Any]:
    network: dict[str, Any] = json.loads((card / "network-config").read_text())["network"]
    wlan = network["wifis"]["wlan0"]
    assert wlan["regulatory-domain"] == "NL"
    access_points: dict[str, Any] = wlan["access-points"]
    return access_points


@pytest.mark.skipif(shutil.which("mformat") is None, reason="mtools is not installed: make system")
def test_an_image_with_a_guid_partition_table_is_written(tmp_path: Path, server: ServerFolder) -> None:
    image = create_sd_card_image(tmp_path / "raspios.img", TRIXIE_FILES, mebibytes=40, has_gpt=True)
    assert flash(server, image) == 0
    check_boot_partition(image)
    unpacked = unpack_boot_partition(image, tmp_path / "unpacked")
    assert json.loads((unpacked / "mien" / "manifest.json").read_text())["device"] == "kitchen"


@pytest.mark.parametrize("name", ["raspios.img", "raspios.img.xz"])
def test_a_compressed_image_is_refused_by_its_cause(
    tmp_path: Path, server: ServerFolder, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for compressed, command in ((lzma.compress(bytes(9999)), "xz -dc"), (gzip.compress(bytes(9999)), "gzip -dc")):
        (tmp_path / name).write_bytes(compressed)
        assert flash(server, tmp_path / name) == 2
        assert f"unpack it first, for example `{command} {name} > unpacked.img`" in capsys.readouterr().err
        assert (tmp_path / name).read_bytes() == compressed


@pytest.mark.parametrize(
    ("options", "access_point"),
    [
        (["--wifi-open"], {}),
        (["--wifi-open", "--wifi-hidden"], {"hidden": True}),
        (["--wifi-password-file", "key"], {"password": KEY}),
        (["--wifi-password-file", "key", "--wifi-hidden"], {"hidden": True, "password": KEY}),
    ],
)
def test_open_and_hidden_networks_and_those_with_a_key_in_hexadecimal_digits(
    tmp_path: Path,
    server: ServerFolder,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    access_point: dict[str, Any],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("key").write_text(KEY.upper())
    card = mount(tmp_path / "bootfs", TRIXIE_FILES)
    assert flash(server, card, "--wifi", "Café", "--wifi-country", "NL", *options) == 0
    assert read_access_points(card) == {"Café": access_point}
    has_key = "password" in access_point
    assert (card / "mien" / "wifi-key-on-card").exists() is has_key
    assert ("mien-wifi-key.service" in (card / "user-data").read_text()) is has_key


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        (["--wifi-open"], "set_wlan Café '' NL"),
        (["--wifi-open", "--wifi-hidden"], "set_wlan -h Café '' NL"),
        (["--wifi-password-file", "key", "--wifi-hidden"], f"set_wlan -h Café {KEY} NL"),
    ],
)
def test_the_same_networks_on_bookworm(
    tmp_path: Path, server: ServerFolder, monkeypatch: pytest.MonkeyPatch, options: list[str], arguments: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("key").write_text(KEY)
    card = mount(tmp_path / "bootfs", BOOKWORM_FILES)
    assert flash(server, card, "--wifi", "Café", "--wifi-country", "NL", *options) == 0
    script = (card / "firstrun.sh").read_text().replace("'Café'", "Café")
    assert f"imager_custom {arguments}\n" in script


class NobodyToAsk:
    """Stdin that fails a test that reads it."""

    def __getattr__(self, name: str) -> None:
        raise AssertionError(f"stdin.{name} before the options were checked")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--wifi", "Home"], "needs a country: add --wifi-country"),
        (["--wifi", "Home", "--wifi-country", "nl"], "is not a country code"),
        (["--wifi", "Home", "--wifi-country", "UK"], "did you mean GB"),
        (["--wifi", "x" * 33, "--wifi-country", "NL"], "is not a valid name of a Wi-Fi network"),
        (["--wifi", "Home", "--wifi-country", "NL", "--timezone", "Mars"], "'Mars' is not a time zone"),
        (["--wifi", "Home;", "--wifi-country", "NL", "--os-release", "bookworm"], "bookworm misreads the Wi-Fi's name"),
        (["--wifi", "Home", "--wifi-country", "NL", "--wifi-open", "--wifi-password-file", "f"], "has no passphrase"),
        (["--wifi-hidden"], "--wifi-hidden need a network: name it with --wifi"),
    ],
)
def test_what_is_wrong_is_said_before_the_passphrase_is_asked_for(
    tmp_path: Path,
    server: ServerFolder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", NobodyToAsk())
    assert flash(server, mount(tmp_path / "bootfs", TRIXIE_FILES), *options) == 2
    assert message in capsys.readouterr().err
