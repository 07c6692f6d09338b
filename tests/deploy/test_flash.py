"""`mien flash`: what is on a card afterwards, and what it refuses."""

import errno
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cards import BOOKWORM_FILES, KERNEL, TRIXIE_FILES, check_image, make_image, small_packages, unpack_image

from mien.command import main
from mien.deploy.first_start import Wifi
from mien.deploy.raspberry_pi_os import BOOKWORM, TRIXIE
from mien.deploy.server import ServerFolder

WIFI = "correct horse battery"
KIT = {
    "mien/device/agent.toml",
    "mien/device/ca.crt",
    "mien/device/device.crt",
    "mien/device/device.key",
    "mien/install.sh",
    "mien/installer.py",
    "mien/manifest.json",
    "mien/mien-agent.service",
    "mien/packages.tar.gz",
}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for release in (TRIXIE, BOOKWORM):
        small_packages(release, tmp_path / "cache" / "mien")


@pytest.fixture
def bootfs(tmp_path: Path) -> Path:
    """A mounted card of Raspberry Pi OS trixie."""
    return mounted(tmp_path / "bootfs", TRIXIE_FILES)


def mounted(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def flash(folder: ServerFolder, to: Path, *options: str, device: str = "kitchen") -> int:
    return main(["flash", device, "--server", str(folder.path), "--to", str(to), *options])


def names(folder: Path) -> set[str]:
    found = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    return {name for name in found if not name.endswith(".whl")}


def user_data(card: Path) -> dict[str, Any]:
    head, _, data = (card / "user-data").read_text().partition("\n")
    assert head == "#cloud-config"
    values: dict[str, Any] = json.loads(data)
    return values


def given(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "id.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 jane@there\n")
    (tmp_path / "passphrase").write_text(f"{WIFI}\n")
    yield from ("--ssh-key", str(tmp_path / "id.pub"), "--timezone", "Europe/Amsterdam", "--hostname", "kitchen-pi")
    yield from ("--wifi", 'the "Café"', "--wifi-country", "NL", "--wifi-password-file", str(tmp_path / "passphrase"))


@pytest.mark.skipif(shutil.which("mformat") is None, reason="mtools is not installed: make system")
def test_an_image_and_a_mounted_card_hold_the_kit_and_the_first_start_and_nothing_else(
    tmp_path: Path, folder: ServerFolder, bootfs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = make_image(tmp_path / "raspios.img", TRIXIE_FILES, mebibytes=60)
    assert flash(folder, image) == 0
    assert flash(folder, bootfs) == 0
    check_image(image)
    from_image = unpack_image(image, tmp_path / "unpacked")
    assert names(from_image) == names(bootfs) == set(TRIXIE_FILES) | KIT
    assert (from_image / "config.txt").read_bytes() == TRIXIE_FILES["config.txt"]
    said = capsys.readouterr().out
    for name in names(bootfs) - {"issue.txt", "config.txt"}:
        assert f"  {name} " in said
    assert "Nobody can log in" in said
    assert "Not at work, not at school" in said


def test_the_pi_is_told_who_it_is_and_no_passphrase_is_on_the_card(
    tmp_path: Path, folder: ServerFolder, bootfs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flash(folder, bootfs, *given(tmp_path)) == 0
    data = user_data(bootfs)
    assert (data["hostname"], data["timezone"]) == ("kitchen-pi", "Europe/Amsterdam")
    assert data["user"]["ssh_authorized_keys"] == ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 jane@there"]
    assert data["ssh_pwauth"] is False
    assert data["runcmd"] == [["systemctl", "enable", "--now", "ssh"]]
    radio = json.loads((bootfs / "network-config").read_text())["network"]["wifis"]["wlan0"]
    assert radio["regulatory-domain"] == "NL"
    assert re.fullmatch("[0-9a-f]{64}", radio["access-points"]['the "Café"']["password"])
    told = capsys.readouterr()
    assert WIFI not in told.out + told.err
    for file in bootfs.rglob("*"):
        assert not file.is_file() or WIFI.encode() not in file.read_bytes()


def test_the_wifi_key_is_that_of_wpa_passphrase(tmp_path: Path, folder: ServerFolder, bootfs: Path) -> None:
    """The test vector of IEEE 802.11i, annex H.4.3."""
    (tmp_path / "passphrase").write_text("ThisIsAPassword")
    wifi = ("--wifi", "ThisIsASSID", "--wifi-country", "NL", "--wifi-password-file", str(tmp_path / "passphrase"))
    assert flash(folder, bootfs, *wifi) == 0
    assert "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af" in (bootfs / "network-config").read_text()


def test_the_kernel_is_pointed_to_this_instance_and_a_new_flash_is_a_new_one(
    folder: ServerFolder, bootfs: Path
) -> None:
    instances = []
    for _ in range(2):
        assert flash(folder, bootfs) == 0
        line = (bootfs / "cmdline.txt").read_text()
        instance = json.loads((bootfs / "meta-data").read_text())["instance-id"]
        assert line == f"{KERNEL.decode().strip()} ds=nocloud;i={instance}\n"
        assert instance.startswith("mien-kitchen-")
        instances.append(instance)
    assert len(set(instances)) == 2
    assert names(bootfs) == set(TRIXIE_FILES) | KIT


def test_bookworm_gets_a_script_that_runs_once(tmp_path: Path, folder: ServerFolder) -> None:
    """What the script calls is stood in for: programs of Raspberry Pi OS that write down how they were called."""
    card = mounted(tmp_path / "old", BOOKWORM_FILES)
    assert flash(folder, card, *given(tmp_path)) == 0
    assert names(card) == set(BOOKWORM_FILES) | KIT | {"firstrun.sh"}
    assert "systemd.run=/boot/firmware/firstrun.sh" in (card / "cmdline.txt").read_text()
    calls = tmp_path / "calls"
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("imager_custom", "userconf", "systemctl"):
        (programs / name).write_text(
            f'#!/bin/sh\nprintf "{name}" >>{calls}; printf " <%s>" "$@" >>{calls}; echo >>{calls}\n'
        )
        (programs / name).chmod(0o755)
    script = (card / "firstrun.sh").read_text()
    script = re.sub(r"/usr/lib/\S+/(imager_custom|userconf) ", rf"{programs}/\1 ", script)
    subprocess.run(["bash", "-c", _here(script, tmp_path, card)], check=True)
    said = calls.read_text().splitlines()
    assert said[0] == "imager_custom <set_hostname> <kitchen-pi>"
    assert said[1] == "imager_custom <enable_ssh> <-k> <ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 jane@there>"
    assert said[2] == "userconf <pi> <*>"
    assert re.fullmatch(r'imager_custom <set_wlan> <the "Café"> <[0-9a-f]{64}> <NL>', said[3])
    assert said[4] == "imager_custom <set_timezone> <Europe/Amsterdam>"
    assert said[5] == "systemctl <enable> <mien-setup.service>"
    assert "ExecStart=/usr/bin/python3 -P /boot/firmware/mien/installer.py\n" in script
    assert (card / "cmdline.txt").read_text() == KERNEL.decode()  # the next start is an ordinary one
    assert not (card / "firstrun.sh").exists()


def _here(script: str, place: Path, card: Path) -> str:
    """A script of a Pi's first start, to run here: with the programs and units of a folder."""
    (place / "units").mkdir(exist_ok=True)
    script = re.sub(r"(^|; )(systemctl) ", rf"\1{place}/programs/\2 ", script, flags=re.MULTILINE)
    script = script.replace("/etc/systemd/system/", f"{place}/units/")
    return script.replace("cd /boot/firmware", f"cd {card}")


def test_trixie_puts_a_unit_in_place_that_installs_the_kit_until_its_key_has_left_the_card(
    tmp_path: Path, folder: ServerFolder, bootfs: Path
) -> None:
    assert flash(folder, bootfs) == 0
    assert flash(folder, bootfs, "--replace", device="hallway") == 0
    ((*once, shell, option, script),) = user_data(bootfs)["bootcmd"]
    assert (once, shell, option) == (["cloud-init-per", "instance", "mien-setup"], "sh", "-c")
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "systemctl").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n')
    (tmp_path / "programs" / "systemctl").chmod(0o755)
    subprocess.run(["sh", "-c", _here(script, tmp_path, bootfs)], check=True)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["enable mien-setup.service", "daemon-reload", "--no-block start mien-setup.service"]
    unit = (tmp_path / "units" / "mien-setup.service").read_text()
    assert "\nConditionPathExists=/boot/firmware/mien/device/device.key\n" in unit
    assert "\nExecStart=/usr/bin/python3 -P /boot/firmware/mien/installer.py --replace\n" in unit


def test_a_model_of_one_s_own_goes_along_and_is_named_in_the_settings(folder: ServerFolder, bootfs: Path) -> None:
    model = Path(__file__).parents[2] / "mien" / "models" / "default.tflite"
    assert flash(folder, bootfs, "--model", str(model)) == 0
    assert (bootfs / "mien" / "device" / "model.tflite").read_bytes() == model.read_bytes()
    assert 'model = "/etc/mien/model.tflite"' in (bootfs / "mien" / "device" / "agent.toml").read_text()
    assert "model =" not in (folder.path / "devices" / "kitchen" / "agent.toml").read_text()


def test_a_kit_is_packed_for_a_pi_that_runs(
    tmp_path: Path, folder: ServerFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    packed = tmp_path / "kitchen.tar"
    assert main(["device", "pack", "kitchen", "--server", str(folder.path), "--to", str(packed)]) == 0
    assert packed.stat().st_mode & 0o077 == 0
    shutil.unpack_archive(packed, tmp_path / "pi", filter="data")
    assert names(tmp_path / "pi") == {name.replace("mien/", "mien-kitchen/", 1) for name in KIT}
    assert "rm kitchen.tar && sudo mien-kitchen/install.sh'" in capsys.readouterr().out
    assert main(["device", "pack", "kitchen", "--server", str(folder.path), "--to", str(tmp_path)]) == 2
    assert "mien-kitchen.tar" in capsys.readouterr().err


def test_a_kit_replaces_an_older_one_and_nothing_but_files(
    tmp_path: Path, folder: ServerFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = ["device", "pack", "kitchen", "--server", str(folder.path), "--to"]
    os.mkfifo(tmp_path / "device")
    assert main([*pack, str(tmp_path / "device")]) == 2
    assert "is no ordinary file" in capsys.readouterr().err
    assert (tmp_path / "device").is_fifo()
    assert main([*pack, str(tmp_path / "nowhere" / "kitchen.tar")]) == 2
    assert "nowhere is no folder" in capsys.readouterr().err
    older = tmp_path / "kitchen.tar"
    older.write_bytes(b"older")
    with monkeypatch.context() as full:
        full.setattr(tarfile.TarFile, "add", _disk_is_full)
        assert main([*pack, str(older)]) == 2
    assert "cannot be written (No space left on device): name a place" in capsys.readouterr().err
    assert older.read_bytes() == b"older"
    assert not list(tmp_path.glob(".kitchen*"))
    assert main([*pack, str(older)]) == 0
    assert tarfile.is_tarfile(older)


def _disk_is_full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_passphrase_is_asked_for_last_and_a_script_can_answer(
    tmp_path: Path,
    folder: ServerFolder,
    bootfs: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wifi = ("--wifi", "Home", "--wifi-country", "NL")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{WIFI}\n"))
    assert flash(folder, tmp_path / "nowhere", *wifi) == 2
    assert "nowhere is not there" in capsys.readouterr().err
    assert flash(folder, bootfs, *wifi) == 0
    assert Wifi.of("Home", WIFI, "NL").key in (bootfs / "network-config").read_text()
    assert flash(folder, bootfs, *wifi) == 2
    assert "give it with --wifi-password-file" in capsys.readouterr().err


def test_a_card_of_another_device_is_refused_until_told(
    folder: ServerFolder, bootfs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flash(folder, bootfs) == 0
    before = {file: file.read_bytes() for file in bootfs.rglob("*") if file.is_file()}
    assert flash(folder, bootfs, device="hallway") == 2
    assert "is the card of kitchen: take another one, or say --replace" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in bootfs.rglob("*") if file.is_file()} == before
    assert flash(folder, bootfs, "--replace", device="hallway") == 0
    assert json.loads((bootfs / "mien" / "manifest.json").read_text())["device"] == "hallway"


@pytest.mark.parametrize(
    "kernel",
    [b"root=x ds=nocloud;i=rpi-imager-1700000000\n", b"root=x systemd.run=/boot/firmware/firstrun.sh\n"],
)
def test_a_card_set_up_by_another_program_is_refused_until_told(
    folder: ServerFolder, bootfs: Path, kernel: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (bootfs / "cmdline.txt").write_bytes(kernel)
    assert flash(folder, bootfs) == 2
    assert "is set up by another program" in capsys.readouterr().err
    assert names(bootfs) == set(TRIXIE_FILES)
    assert flash(folder, bootfs, "--replace") == 0
    assert re.fullmatch(r"root=x ds=nocloud;i=mien-kitchen-\w+\n", (bootfs / "cmdline.txt").read_text())


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"photo.jpg": b""}, "is no card of Raspberry Pi OS (it has no issue.txt)"),
        (TRIXIE_FILES | {"issue.txt": b"Ubuntu"}, "is no card of Raspberry Pi OS (its issue.txt is another system's)"),
    ],
)
def test_a_card_of_another_system_is_refused(
    tmp_path: Path, folder: ServerFolder, files: dict[str, bytes], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    card = mounted(tmp_path / "card", files)
    assert flash(folder, card) == 5
    assert message in capsys.readouterr().err
    assert names(card) == set(files)


@pytest.mark.skipif(shutil.which("mformat") is None, reason="mtools is not installed: make system")
def test_a_card_without_room_is_left_as_it_is(
    tmp_path: Path, folder: ServerFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    image = make_image(tmp_path / "raspios.img", TRIXIE_FILES, mebibytes=34)
    subprocess.run(["mcopy", "-i", f"{image}@@{16384 * 512}", "-", "::/big"], input=bytes(30_000_000), check=True)
    before = image.read_bytes()
    assert flash(folder, image) == 5
    assert re.search(r"has no room for \d+ MB: write Raspberry Pi OS to the card anew", capsys.readouterr().err)
    assert image.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--wifi", "home"], "a Wi-Fi radio needs its country: --wifi-country NL, say"),
        (["--wifi", "home", "--wifi-country", "nl", "--wifi-password-file", "good"], "'nl' is no country"),
        (["--wifi", "home", "--wifi-country", "NL", "--wifi-password-file", "short"], "8 to 63 characters"),
        (["--wifi", "home", "--wifi-country", "NL", "--wifi-password-file", "none"], "none cannot be read"),
        (["--wifi", "x" * 33, "--wifi-country", "NL", "--wifi-password-file", "good"], "is no name of a Wi-Fi network"),
        (["--timezone", "Mars/Olympus"], "'Mars/Olympus' is no time zone: one like Europe/Amsterdam"),
        (["--hostname", "my pi"], "'my pi' is no host name"),
        (["--ssh-key", "private"], "is no public key: name the file that ends in .pub"),
        (["--user", "Root!", "--ssh-key", "public"], "'Root!' is no user name"),
        (["--user", "jane"], "jane could not log in: give a public key with --ssh-key"),
        (["--wifi-country", "NL"], "belong to a network: give its name with --wifi"),
        (["--wifi-password-file", "good"], "belong to a network: give its name with --wifi"),
        (
            ["--wifi", " home", "--wifi-country", "NL", "--wifi-password-file", "good", "--system", "bookworm"],
            "bookworm would misread the Wi-Fi's name ' home'",
        ),
        (["--system", "buster"], "there is no system 'buster': choose from trixie, bookworm"),
        (["--model", "good"], "good"),
    ],
)
def test_options_that_a_pi_would_silently_ignore_are_refused(
    folder: ServerFolder,
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
    assert flash(folder, bootfs, *options) in (2, 4)
    told = capsys.readouterr().err
    assert message in told
    assert "PRIVATE" not in told
    assert names(bootfs) == set(TRIXIE_FILES)


def test_a_device_that_was_not_issued_is_named(
    folder: ServerFolder, bootfs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flash(folder, bootfs, device="cellar") == 2
    assert "there is no device 'cellar': issue it with `mien device add`" in capsys.readouterr().err
