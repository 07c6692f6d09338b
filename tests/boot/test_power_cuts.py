"""A Pi whose power is cut, by kill -9 of its emulator, in the middle of its first boot or of its work."""

import time
from pathlib import Path

import pytest
from boot_card import IDENTITY, BootCard
from stored_rows import check_log, count_rows, wait_for_rows
from virtual_pi import BOOT_TIMEOUT_S, VirtualPi

from mien.deploy.server.folder import ServerFolder

COPY_S = 8.0
"""From the installer's start into the middle of its unpacking, which takes an emulated processor a minute."""


def test_a_running_pi_goes_on_after_a_power_cut_without_loss_or_doubles(
    folder: Path, system: Path, server: ServerFolder, card: BootCard
) -> None:
    with VirtualPi(card, system, folder) as pi:
        wait_for_rows(pi, server, 10, BOOT_TIMEOUT_S)
        pi.cut_power()
    stored = count_rows(server)
    with VirtualPi(card, system, folder) as pi:
        wait_for_rows(pi, server, stored + 10, BOOT_TIMEOUT_S)
        pi.shut_down()
    _check_all_is_well(server, card)


@pytest.mark.parametrize(
    ("line", "delay_s"),
    [
        pytest.param(r"Starting mien-first-boot\.service", COPY_S, id="copy"),
        pytest.param("Creating group 'mien'", 0.0, id="install"),
        pytest.param(
            r"Reload(ing)? requested from client .*mien-first-boot\.service", 0.0, id="before the unit is enabled"
        ),
    ],
)
def test_a_power_cut_in_the_first_boot_is_made_good_by_the_second(
    folder: Path, system: Path, server: ServerFolder, card: BootCard, line: str, delay_s: float
) -> None:
    with VirtualPi(card, system, folder) as pi:
        pi.wait_for_line(line, BOOT_TIMEOUT_S)
        time.sleep(delay_s)
        pi.check_is_on()
        pi.cut_power()
        assert "installed release" not in pi.console
    assert count_rows(server) == 0
    assert IDENTITY in card.boot_files()
    with VirtualPi(card, system, folder) as pi:
        wait_for_rows(pi, server, 5, BOOT_TIMEOUT_S)
        pi.wait_for_line("hallway: installed release ", BOOT_TIMEOUT_S)
        pi.shut_down()
    _check_all_is_well(server, card)


def _check_all_is_well(server: ServerFolder, card: BootCard) -> None:
    """No damage, no doubles, no gap; no identity on the card."""
    report = check_log(server)
    assert report["problems"] == dict.fromkeys(report["problems"], "")
    assert report["gaps"] == {"hallway": {}}
    assert report["dropped"] == {}
    assert IDENTITY not in card.boot_files()
