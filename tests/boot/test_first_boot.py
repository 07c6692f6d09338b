"""A flashed card in a Pi, from power on: cloud-init, the installer, the agent in its sandbox, its rows over TLS."""

from pathlib import Path

from boot_card import IDENTITY, BootCard
from stored_rows import check_log, count_rows, wait_for_rows
from virtual_pi import BOOT_TIMEOUT_S, VirtualPi

from mien.deploy.server.folder import ServerFolder


def test_the_first_boot_ends_with_an_agent_whose_rows_are_stored(
    folder: Path, system: Path, server: ServerFolder, card: BootCard
) -> None:
    key = card.read(IDENTITY)
    with VirtualPi(card, system, folder) as pi:
        pi.wait_for_line(r"Cloud-init v\. .* running 'init-local'", BOOT_TIMEOUT_S)
        pi.wait_for_line(r"Starting mien-first-boot\.service", BOOT_TIMEOUT_S)
        wait_for_rows(pi, server, 5, BOOT_TIMEOUT_S)
        pi.wait_for_line("hallway: installed release ", BOOT_TIMEOUT_S)
        pi.shut_down()
        console = pi.console
    assert count_rows(server) >= 5
    report = check_log(server)
    assert report["problems"] == dict.fromkeys(report["problems"], "")
    assert report["gaps"] == {"hallway": {}}
    assert IDENTITY not in card.boot_files()
    assert not card.contains(key)
    owner, mode = card.owner_and_mode("/etc/mien/device.key")
    assert (owner, mode) == (_user_id(card, "mien"), 0o600)
    assert card.owner_and_mode("/etc/mien/agent.toml")[1] == 0o644
    assert "hallway" in card.read_root("/etc/hostname")
    assert "jane@laptop" in card.read_root("/home/pi/.ssh/authorized_keys")
    assert "Traceback" not in console


def _user_id(card: BootCard, name: str) -> int:
    users = dict(line.split(":")[:3:2] for line in card.read_root("/etc/passwd").splitlines())
    return int(users[name])
