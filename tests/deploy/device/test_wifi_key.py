"""The Wi-Fi's key on the boot partition: when it leaves, and what happens where it cannot."""

import json
import subprocess
from pathlib import Path

import pytest

from mien.deploy.device.first_boot import (
    FIRST_BOOT_FLAG,
    WIFI_KEY_MARKER,
    WIFI_KEY_UNIT,
    FirstBoot,
    cloud_init_files,
    firstrun_script,
    wifi_key_unit,
)
from mien.deploy.device.wifi import Wifi
from mien.deploy.installer import systemd, wifi_key
from mien.deploy.installer.errors import InstallError
from mien.deploy.installer.wifi_key import forget_wifi_key, is_connected, wait_until_connected

WIFI = Wifi(ssid='the "Café" 📶', country="NL").with_passphrase("long enough")


def first_boot(wifi: Wifi | None = WIFI) -> FirstBoot:
    return FirstBoot(instance_id="mien-kitchen-1", hostname="kitchen", wifi=wifi)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle on a boot partition."""
    bundle = tmp_path / "mien"
    bundle.mkdir()
    (bundle / WIFI_KEY_MARKER).touch()
    (tmp_path / "network-config").write_bytes(cloud_init_files(first_boot())["network-config"])
    return bundle


def boot_command(wifi: Wifi | None) -> str:
    """What cloud-init runs at the first boot only."""
    (command,) = json.loads(cloud_init_files(first_boot(wifi))["user-data"].partition(b"\n")[2])["bootcmd"]
    assert command[:3] == ["cloud-init-per", "instance", "mien-first-boot"]
    return str(command[-1])


def test_the_installer_and_the_units_agree_on_names() -> None:
    assert wifi_key.MARKER == WIFI_KEY_MARKER
    assert systemd.WIFI_KEY_UNIT == WIFI_KEY_UNIT


def test_the_first_boot_leaves_the_key_and_the_second_may_remove_it() -> None:
    command = boot_command(WIFI)
    assert subprocess.run(["sh", "-n", "-c", command], check=False).returncode == 0
    assert command.startswith(f"touch {FIRST_BOOT_FLAG}; ")  # in /run, which does not outlive this boot
    assert f"\nConditionPathExists=!{FIRST_BOOT_FLAG}\n" in wifi_key_unit()
    assert f"systemctl enable mien-first-boot.service {WIFI_KEY_UNIT}; sync" in command
    assert command.endswith("systemctl --no-block start mien-first-boot.service")


def test_without_a_wifi_there_is_no_such_unit() -> None:
    assert WIFI_KEY_UNIT not in boot_command(None)


def test_it_waits_until_the_pi_has_joined(tmp_path: Path) -> None:
    state = tmp_path / "sys" / "class" / "net" / "wlan0" / "operstate"
    with pytest.raises(InstallError, match="has not joined its Wi-Fi network: the key stays"):
        wait_until_connected(tmp_path, timeout_s=0)
    state.parent.mkdir(parents=True)
    for text, connected in (("down\n", False), ("dormant\n", False), ("up\n", True)):
        state.write_text(text)
        assert is_connected(tmp_path) is connected
    wait_until_connected(tmp_path, timeout_s=0)


def test_what_remains_is_valid_and_of_the_same_length(bundle: Path) -> None:
    file = bundle.parent / "network-config"
    size = file.stat().st_size
    assert forget_wifi_key(bundle) == "removed the Wi-Fi's key from the boot partition"
    assert json.loads(file.read_text()) == json.loads(cloud_init_files(first_boot(None))["network-config"])
    assert file.stat().st_size == size
    assert not (bundle / WIFI_KEY_MARKER).exists()


@pytest.mark.parametrize("content", ["network:\n  version: 2\n", '{"network": {"version": 2}}', "[]", ""])
def test_a_file_that_someone_else_wrote_stays(bundle: Path, content: str) -> None:
    file = bundle.parent / "network-config"
    file.write_text(content)
    assert "is not as `mien flash` wrote it" in forget_wifi_key(bundle)
    assert file.read_text() == content
    assert not (bundle / WIFI_KEY_MARKER).exists()


def test_bookworm_s_script_is_overwritten_and_deleted_once_the_pi_has_joined(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "network-config").unlink()
    script, place = tmp_path / "firstrun.sh", tmp_path / "place"
    script.write_bytes(firstrun_script(first_boot()))
    place.hardlink_to(script)
    assert str(WIFI.psk).encode() in place.read_bytes()
    assert forget_wifi_key(bundle) == "removed the Wi-Fi's key from the boot partition"
    assert not script.exists()
    assert not any(place.read_bytes())
    assert not (bundle / WIFI_KEY_MARKER).exists()


def test_a_power_cut_between_overwriting_and_deleting_leaves_nothing_behind(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "firstrun.sh").write_bytes(bytes(500))
    assert forget_wifi_key(bundle) == "removed the Wi-Fi's key from the boot partition"
    assert not (tmp_path / "firstrun.sh").exists()


def test_a_script_that_someone_else_wrote_stays(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "firstrun.sh").write_text("#!/bin/bash\nmine\n")
    assert "firstrun.sh is not as `mien flash` wrote it" in forget_wifi_key(bundle)
    assert (tmp_path / "firstrun.sh").read_text() == "#!/bin/bash\nmine\n"


def test_bookworm_s_script_deletes_itself_only_if_it_has_no_key() -> None:
    """With one, it has to stay until NetworkManager has joined with its own copy."""
    with_key, without = (firstrun_script(first_boot(wifi)).decode() for wifi in (WIFI, None))
    assert WIFI_KEY_UNIT in with_key
    assert "rm firstrun.sh" not in with_key
    assert WIFI_KEY_UNIT not in without
    assert "\nrm firstrun.sh\nsync\n" in without
