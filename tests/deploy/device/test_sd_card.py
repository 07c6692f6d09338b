"""`mien flash` and `mien device pack`: what they write, and what they refuse."""

import errno
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from sd_cards import (
    BOOKWORM_FILES,
    KERNEL_COMMAND_LINE,
    TRIXIE_FILES,
    check_boot_partition,
    create_sd_card_image,
    unpack_boot_partition,
    write_stub_packages,
)

from mien.cli import main
from mien.deploy.device.wifi import Wifi
from mien.deploy.raspberry_pi_os import BOOKWORM, TRIXIE
from mien.deploy.server.folder import ServerFolder
from mien.model.model_card import DEFAULT_MODEL

PASSPHRASE = "correct horse battery"  # noqa: S105
INSTALLER = Path(__file__).parents[3] / "deploy" / "installer"
BUNDLE = {
    "mien/device/agent.toml",
    "mien/device/ca.crt",
    "mien/device/device.crt",
    "mien/device/device.key",
    "mien/install.sh",
    "mien/manifest.json",
    "mien/mien-agent.service",
    "mien/packages.tar.gz",
    *(f"mien/installer/{module.name}" for module in INSTALLER.glob("*.py")),
}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for os_release in (TRIXIE, BOOKWORM):
        write_stub_packages(os_release, tmp_path / "cache" / "mien")


@pytest.fixture
def bootfs(tmp_path: Path) -> Path:
    """A mounted SD card with Raspberry Pi OS trixie."""
    return mount(tmp_path / "bootfs", TRIXIE_FILES)


def mount(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def flash(server: ServerFolder, target: Path, *options: str, device: str = "kitchen") -> int:
    return main(["flash", device, "--server", str(server.path), "--target", str(target), *options])


def file_names(folder: Path) -> set[str]:
    names = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    return {name for name in names if not name.endswith(".whl")}


def read_user_data(sd_card: Path) -> dict[str, Any]:
    header, _, data = (sd_card / "user-data").read_text().partition("\n")
    assert header == "#cloud-config"
    values: dict[str, Any] = json.loads(data)
    return values


def write_all_options(tmp_path: Path) -> list[str]:
    (tmp_path / "id.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 jane@laptop\n")
    (tmp_path / "passphrase").write_text(f"{PASSPHRASE}\n")
    options = ["--ssh-key", str(tmp_path / "id.pub"), "--timezone", "Europe/Amsterdam", "--hostname", "kitchen-pi"]
    wifi = ["--wifi", 'the "Café"', "--wifi-country", "NL", "--wifi-password-file", str(tmp_path / "passphrase")]
    return [*options, *wifi]


@pytest.mark.skipif(shutil.which("mformat") is None, reason="mtools is not installed: make system")
def test_an_image_and_a_mounted_sd_card_get_the_bundle_and_the_first_boot_and_nothing_else(
    tmp_path: Path, server: ServerFolder, bootfs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = create_sd_card_image(tmp_path / "raspios.img", TRIXIE_FILES, mebibytes=60)
    assert flash(server, image) == 0
    assert flash(server, bootfs) == 0
    check_boot_partition(image)
    unpacked = unpack_boot_partition(image, tmp_path / "unpacked")
    assert file_names(unpacked) == file_names(bootfs) == set(TRIXIE_FILES) | BUNDLE
    assert (unpacked / "config.txt").read_bytes() == TRIXIE_FILES["config.txt"]
    output = capsys.readouterr().out
    for name in file_names(bootfs) - {"issue.txt", "config.txt"}:
        assert f"  {name} " in output
    assert "Nobody can log in" in output
    assert "Do not use mien at work or at school" in output


def test_the_pi_gets_its_settings_and_no_passphrase_is_on_the_sd_card(
    tmp_path: Path, server: ServerFolder, bootfs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flash(server, bootfs, *write_all_options(tmp_path)) == 0
    data = read_user_data(bootfs)
    assert (data["hostname"], data["timezone"]) == ("kitchen-pi", "Europe/Amsterdam")
    assert data["user"]["ssh_authorized_keys"] == ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 jane@laptop"]
    assert data["ssh_pwauth"] is False
    assert data["runcmd"] == [["systemctl", "enable", "--now", "ssh"]]
    wlan = json.loads((bootfs / "network-config").read_text())["network"]["wifis"]["wlan0"]
    assert wlan["regulatory-domain"] == "NL"
    assert re.fullmatch("[0-9a-f]{64}", wlan["access-points"]['the "Café"']["password"])
    output = capsys.readouterr()
    assert PASSPHRASE not in output.out + output.err
    for file in bootfs.rglob("*"):
        assert not file.is_file() or PASSPHRASE.encode() not in file.read_bytes()


def test_the_wifi_key_is_that_of_wpa_passphrase(tmp_path: Path, server: ServerFolder, bootfs: Path) -> None:
    """The test vector of IEEE 802.11i, annex H.4.3."""
    (tmp_path / "passphrase").write_text("ThisIsAPassword")
    wifi = ("--wifi", "ThisIsASSID", "--wifi-country", "NL", "--wifi-password-file", str(tmp_path / "passphrase"))
    assert flash(server, bootfs, *wifi) == 0
    assert "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af" in (bootfs / "network-config").read_text()


def test_the_kernel_command_line_names_the_instance_and_each_flash_makes_a_new_one(
    server: ServerFolder, bootfs: Path
) -> None:
    instance_ids = []
    for _ in range(2):
        assert flash(server, bootfs) == 0
        command_line = (bootfs / "cmdline.txt").read_text()
        instance_id = json.loads((bootfs / "meta-data").read_text())["instance-id"]
        assert command_line == f"{KERNEL_COMMAND_LINE.decode().strip()} ds=nocloud;i={instance_id}\n"
        assert instance_id.startswith("mien-kitchen-")
        instance_ids.append(instance_id)
    assert len(set(instance_ids)) == 2
    assert file_names(bootfs) == set(TRIXIE_FILES) | BUNDLE


def test_bookworm_gets_a_script_that_runs_once(tmp_path: Path, server: ServerFolder) -> None:
    """The programs of Raspberry Pi OS that the script calls are replaced by scripts that record their arguments."""
    sd_card = mount(tmp_path / "bookworm", BOOKWORM_FILES)
    assert flash(server, sd_card, *write_all_options(tmp_path)) == 0
    assert file_names(sd_card) == set(BOOKWORM_FILES) | BUNDLE | {"firstrun.sh", "mien/wifi-key-on-card"}
    assert "systemd.run=/boot/firmware/firstrun.sh" in (sd_card / "cmdline.txt").read_text()
    calls_file = tmp_path / "calls"
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("imager_custom", "userconf", "systemctl"):
        (programs / name).write_text(
            f'#!/bin/sh\nprintf "{name}" >>{calls_file}; printf " <%s>" "$@" >>{calls_file}; echo >>{calls_file}\n'
        )
        (programs / name).chmod(0o755)
    original = (sd_card / "firstrun.sh").read_text()
    script = re.sub(r"/usr/lib/\S+/(imager_custom|userconf) ", rf"{programs}/\1 ", original)
    subprocess.run(["bash", "-c", _localize(script, tmp_path, sd_card)], check=True)
    calls = calls_file.read_text().splitlines()
    assert calls[0] == "imager_custom <set_hostname> <kitchen-pi>"
    assert calls[1] == "imager_custom <enable_ssh> <-k> <ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 jane@laptop>"
    assert calls[2] == "userconf <pi> <*>"
    assert re.fullmatch(r'imager_custom <set_wlan> <the "Café"> <[0-9a-f]{64}> <NL>', calls[3])
    assert calls[4] == "imager_custom <set_timezone> <Europe/Amsterdam>"
    assert calls[5] == "systemctl <enable> <mien-first-boot.service> <mien-wifi-key.service>"
    assert "ExecStart=/bin/sh /boot/firmware/mien/install.sh\n" in script
    assert (sd_card / "cmdline.txt").read_text() == KERNEL_COMMAND_LINE.decode()  # the next boot is a normal one
    assert (sd_card / "firstrun.sh").read_text() == original  # with the key, until the Pi has joined


def _localize(script: str, folder: Path, sd_card: Path) -> str:
    """A script of a Pi's first boot, changed to run here: with the programs and units of a folder."""
    (folder / "units").mkdir(exist_ok=True)
    script = re.sub(r"(^|; )(systemctl) ", rf"\1{folder}/programs/\2 ", script, flags=re.MULTILINE)
    script = script.replace("/etc/systemd/system/", f"{folder}/units/")
    return script.replace("cd /boot/firmware", f"cd {sd_card}")


def test_trixie_gets_a_unit_that_installs_the_bundle_until_its_key_has_left_the_sd_card(
    tmp_path: Path, server: ServerFolder, bootfs: Path
) -> None:
    assert flash(server, bootfs) == 0
    assert flash(server, bootfs, "--replace", device="hallway") == 0
    ((*frequency, shell, option, script),) = read_user_data(bootfs)["bootcmd"]
    assert (frequency, shell, option) == (["cloud-init-per", "instance", "mien-first-boot"], "sh", "-c")
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "systemctl").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n')
    (tmp_path / "programs" / "systemctl").chmod(0o755)
    subprocess.run(["sh", "-c", _localize(script, tmp_path, bootfs)], check=True)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["enable mien-first-boot.service", "daemon-reload", "--no-block start mien-first-boot.service"]
    unit = (tmp_path / "units" / "mien-first-boot.service").read_text()
    assert "\nConditionPathExists=/boot/firmware/mien/device/device.key\n" in unit
    assert "\nExecStart=/bin/sh /boot/firmware/mien/install.sh --replace\n" in unit


def test_a_user_s_own_model_is_in_the_bundle_and_named_in_the_settings(server: ServerFolder, bootfs: Path) -> None:
    assert flash(server, bootfs, "--model", str(DEFAULT_MODEL)) == 0
    assert (bootfs / "mien" / "device" / "model.tflite").read_bytes() == DEFAULT_MODEL.read_bytes()
    assert 'model = "/etc/mien/model.tflite"' in (bootfs / "mien" / "device" / "agent.toml").read_text()
    assert "model =" not in (server.path / "devices" / "kitchen" / "agent.toml").read_text()


def test_a_bundle_is_packed_for_a_running_pi(
    tmp_path: Path, server: ServerFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = tmp_path / "kitchen.tar"
    assert main(["device", "pack", "kitchen", "--server", str(server.path), "--output", str(packed)]) == 0
    assert packed.stat().st_mode & 0o077 == 0
    shutil.unpack_archive(packed, tmp_path / "pi", filter="data")
    assert file_names(tmp_path / "pi") == {name.replace("mien/", "mien-kitchen/", 1) for name in BUNDLE}
    assert "rm kitchen.tar && sudo mien-kitchen/install.sh'" in capsys.readouterr().out
    assert main(["device", "pack", "kitchen", "--server", str(server.path), "--output", str(tmp_path)]) == 2
    assert "mien-kitchen.tar" in capsys.readouterr().err


def test_a_packed_bundle_replaces_an_older_one_and_only_regular_files(
    tmp_path: Path, server: ServerFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = ["device", "pack", "kitchen", "--server", str(server.path), "--output"]
    os.mkfifo(tmp_path / "device")
    assert main([*pack, str(tmp_path / "device")]) == 2
    assert "is not a regular file" in capsys.readouterr().err
    assert (tmp_path / "device").is_fifo()
    assert main([*pack, str(tmp_path / "nowhere" / "kitchen.tar")]) == 2
    assert "nowhere is not a folder" in capsys.readouterr().err
    older = tmp_path / "kitchen.tar"
    older.write_bytes(b"older")
    with monkeypatch.context() as full_disk:
        full_disk.setattr(tarfile.TarFile, "add", _raise_disk_full)
        assert main([*pack, str(older)]) == 2
    assert "cannot be written (No space left on device): name a path" in capsys.readouterr().err
    assert older.read_bytes() == b"older"
    assert not list(tmp_path.glob(".kitchen*"))
    assert main([*pack, str(older)]) == 0
    assert tarfile.is_tarfile(older)


def _raise_disk_full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_flash_asks_for_the_passphrase_last_and_a_script_can_provide_it(
    tmp_path: Path,
    server: ServerFolder,
    bootfs: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wifi = ("--wifi", "Home", "--wifi-country", "NL")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{PASSPHRASE}\n".encode())))
    assert flash(server, tmp_path / "nowhere", *wifi) == 2
    assert "nowhere does not exist" in capsys.readouterr().err
    assert flash(server, bootfs, *wifi) == 0
    psk = Wifi(ssid="Home", country="NL").with_passphrase(PASSPHRASE).psk
    assert psk
    assert psk in (bootfs / "network-config").read_text()
    assert flash(server, bootfs, *wifi) == 2
    assert "use --wifi-password-file" in capsys.readouterr().err


def test_the_sd_card_of_another_device_is_refused_without_replace(
    server: ServerFolder, bootfs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flash(server, bootfs) == 0
    before = {file: file.read_bytes() for file in bootfs.rglob("*") if file.is_file()}
    assert flash(server, bootfs, device="hallway") == 2
    assert "is the SD card of kitchen: use another SD card, or --replace" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in bootfs.rglob("*") if file.is_file()} == before
    assert flash(server, bootfs, "--replace", device="hallway") == 0
    assert json.loads((bootfs / "mien" / "manifest.json").read_text())["device"] == "hallway"


@pytest.mark.parametrize(
    "command_line",
    [b"root=x ds=nocloud;i=rpi-imager-1700000000\n", b"root=x systemd.run=/boot/firmware/firstrun.sh\n"],
)
def test_an_sd_card_set_up_by_another_program_is_refused_without_replace(
    server: ServerFolder, bootfs: Path, command_line: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (bootfs / "cmdline.txt").write_bytes(command_line)
    assert flash(server, bootfs) == 2
    assert "was set up by another program" in capsys.readouterr().err
    assert file_names(bootfs) == set(TRIXIE_FILES)
    assert flash(server, bootfs, "--replace") == 0
    assert re.fullmatch(r"root=x ds=nocloud;i=mien-kitchen-\w+\n", (bootfs / "cmdline.txt").read_text())


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"photo.jpg": b""}, "is not an SD card with Raspberry Pi OS (it has no issue.txt)"),
        (
            TRIXIE_FILES | {"issue.txt": b"Ubuntu"},
            "is not an SD card with Raspberry Pi OS (its issue.txt is of another system)",
        ),
    ],
)
def test_an_sd_card_with_another_system_is_refused(
    tmp_path: Path, server: ServerFolder, files: dict[str, bytes], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sd_card = mount(tmp_path / "other", files)
    assert flash(server, sd_card) == 5
    assert message in capsys.readouterr().err
    assert file_names(sd_card) == set(files)


@pytest.mark.skipif(shutil.which("mformat") is None, reason="mtools is not installed: make system")
def test_an_sd_card_without_room_is_left_as_it_is(
    tmp_path: Path, server: ServerFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    image = create_sd_card_image(tmp_path / "raspios.img", TRIXIE_FILES, mebibytes=34)
    subprocess.run(["mcopy", "-i", f"{image}@@{16384 * 512}", "-", "::/big"], input=bytes(30_000_000), check=True)
    before = image.read_bytes()
    assert flash(server, image) == 5
    message = r"has no room for \d+ MB: write Raspberry Pi OS to the SD card again"
    assert re.search(message, capsys.readouterr().err)
    assert image.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--wifi", "home"], "the Wi-Fi radio needs a country: add --wifi-country"),
        (["--wifi", "home", "--wifi-country", "nl", "--wifi-password-file", "good"], "'nl' is not a country code"),
        (["--wifi", "home", "--wifi-country", "NL", "--wifi-password-file", "short"], "8 to 63 characters"),
        (["--wifi", "home", "--wifi-country", "NL", "--wifi-password-file", "none"], "none cannot be read"),
        (
            ["--wifi", "x" * 33, "--wifi-country", "NL", "--wifi-password-file", "good"],
            "is not a valid name of a Wi-Fi network",
        ),
        (["--timezone", "Mars/Olympus"], "'Mars/Olympus' is not a time zone: use one such as Europe/Amsterdam"),
        (["--hostname", "my pi"], "'my pi' is not a valid host name"),
        (["--ssh-key", "private"], "is not a public key: name the file that ends in .pub"),
        (["--user", "Root!", "--ssh-key", "public"], "'Root!' is not a valid user name"),
        (["--user", "jane"], "jane could not log in: give a public key with --ssh-key"),
        (["--wifi-country", "NL"], "need a network: name it with --wifi"),
        (["--wifi-password-file", "good"], "need a network: name it with --wifi"),
        (
            ["--wifi", " home", "--wifi-country", "NL", "--wifi-password-file", "good", "--os-release", "bookworm"],
            "bookworm misreads the Wi-Fi's name ' home'",
        ),
        (
            ["--os-release", "buster"],
            "'buster' is not a supported release of Raspberry Pi OS: choose trixie or bookworm",
        ),
        (["--model", "good"], "good"),
    ],
)
def test_options_that_a_pi_would_silently_ignore_are_refused(
    server: ServerFolder,
    bootfs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(bootfs.parent)
    files = {"good": "long enough", "short": "short", "private": "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n"}
    for name, content in (files | {"public": "ssh-ed25519 AAAA jane"}).items():
        Path(name).write_text(content)
    assert flash(server, bootfs, *options) in (2, 4)
    output = capsys.readouterr().err
    assert message in output
    assert "PRIVATE" not in output
    assert file_names(bootfs) == set(TRIXIE_FILES)


def test_a_device_that_was_not_added_is_named(
    server: ServerFolder, bootfs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flash(server, bootfs, device="cellar") == 2
    assert "there is no device 'cellar': add it with `mien device add`" in capsys.readouterr().err
