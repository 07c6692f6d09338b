"""Inside their units' sandbox programs can do what they must, though the kernel tells them nothing about the clock."""

import sys
from pathlib import Path

import pytest
from bundles import BundleFactory
from polling import wait_for
from system_bus import running_system_bus
from unit_sandbox import run_in_sandbox

from mien.clock_sync import ask_clock_sync
from mien.deploy.device.first_boot import FirstBoot, first_boot_unit, wifi_key_unit
from mien.deploy.systemd_units import agent_unit, server_units

UNITS = {"agent": agent_unit(), "collector": server_units(Path("/srv/mien"), "mien")["mien-collector.service"]}
FIRST_BOOT = first_boot_unit(FirstBoot(instance_id="mien-kitchen-1", hostname="kitchen"))
ASK = "from mien.clock_sync import ask_clock_sync; print(*ask_clock_sync(), sep='|')"
AGENT_CLOCK = """
import logging, time
logging.basicConfig(format="%(message)s")
from mien.edge.delivery.clock import Clock
clock = Clock("ntp")
clock.now()
deadline = time.monotonic() + 30
while clock._is_synchronized.__self__._logged is None and time.monotonic() < deadline:
    time.sleep(0.05)
print(clock.state)
"""


def ask(unit: str, code: str = ASK) -> str:
    result = run_in_sandbox(unit, [sys.executable, "-c", code])
    assert result.returncode == 0, result.stderr
    return result.stdout.strip() + result.stderr


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
def test_the_kernel_refuses_to_answer(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
    answer, _, reason = ask(unit).partition("|")
    assert answer == "None"
    assert "timedated: Failed to" in reason
    assert "adjtimex: Operation not permitted" in reason


def test_it_is_the_sandbox_that_makes_the_kernel_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
    with_calls = UNITS["agent"].replace("SystemCallErrorNumber=", "SystemCallFilter=@clock\nSystemCallErrorNumber=")
    assert ask(with_calls).startswith("None|")
    without_setting = UNITS["agent"].replace("ProtectClock=yes\n", "")
    assert ask(without_setting).startswith("None|")
    assert ask(with_calls.replace("ProtectClock=yes\n", "")) == f"{ask_clock_sync().is_synchronized}|kernel"


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
def test_timedated_answers(unit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = f"{ask_clock_sync().is_synchronized}|timedated"
    with running_system_bus(tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        wait_for(lambda: ask_clock_sync().source == "timedated")
        assert ask(unit) == expected


def test_an_agent_that_cannot_know_says_so_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
    output = ask(UNITS["agent"], AGENT_CLOCK)
    assert output.startswith("unsynced")
    assert "whether the clock is synchronized is unknown" in output
    assert 'or set clock = "trusted"' in output


def test_the_first_boot_can_install(make_bundle: BundleFactory, root: Path) -> None:
    """The system calls; with systemd itself as process 1 the unit was run by hand."""
    bundle = make_bundle(extra="token")
    result = run_in_sandbox(FIRST_BOOT, ["/bin/sh", str(bundle.folder / "install.sh"), "--root", str(root)])
    assert result.returncode == 0, result.stderr
    assert (root / "etc" / "mien" / "device.key").exists()
    assert not any(file.exists() for file in bundle.secrets)


def test_the_wifi_s_key_can_be_removed(make_bundle: BundleFactory, root: Path) -> None:
    bundle = make_bundle()
    file = bundle.folder.parent / "network-config"
    file.write_text(
        '{"network": {"version": 2, "wifis": {"wlan0": {"access-points": {"Home": {"password": "secret"}}}}}}'
    )
    interface = root / "sys" / "class" / "net" / "wlan0"
    interface.mkdir(parents=True)
    (interface / "operstate").write_text("up")
    command = ["/bin/sh", str(bundle.folder / "install.sh"), "forget-wifi-key", "--root", str(root)]
    result = run_in_sandbox(wifi_key_unit(), command)
    assert result.returncode == 0, result.stderr
    assert "secret" not in file.read_text()
