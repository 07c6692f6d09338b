"""The account and the units as systemd's own programs make and check them, and the release that is built."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from bundles import StubRelease

from mien.deploy.commands import server_installation
from mien.deploy.host.account import SystemAccount, run_command
from mien.deploy.host.installation import Installation
from mien.deploy.host.layout import ACCOUNT, Layout
from mien.deploy.host.readiness import accepts_connections, wait_until_ready
from mien.deploy.host.release import RunningRelease
from mien.deploy.host.services import Systemd
from mien.deploy.server.folder import ServerFolder
from mien.errors import ConfigurationError, MissingExtra, UsageError

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd: make system")


class OfflineSystem:
    """Runs systemd's programs on the files below a root; records the commands that need a running systemd."""

    def __init__(self, root: Path, *, failing: str = "") -> None:
        self._root = root
        self._failing = failing
        self.calls: list[list[str]] = []

    def __call__(self, command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        self.calls.append(list(command))
        if self._failing and self._failing in command:
            return subprocess.CompletedProcess(command, 1, "", "something\nUnit is masked.\n")
        if command[0] == "systemd-sysusers" or command[1] in ("enable", "disable"):
            return run_command([command[0], f"--root={self._root}", *command[1:]])
        return subprocess.CompletedProcess(command, 0, "active\n", "")


class ServerAccount(SystemAccount):
    """The account of a system's server, whose files stay with who runs the tests."""

    def ids(self) -> tuple[int, int]:
        line = next(line for line in self.passwd.read_text().splitlines() if line.startswith(f"{ACCOUNT}:"))
        return int(line.split(":")[2]), int(line.split(":")[3])

    passwd: Path


@pytest.fixture
def system(root: Path) -> OfflineSystem:
    (root / "etc").mkdir(parents=True)
    return OfflineSystem(root)


@pytest.fixture
def server_account(layout: Layout, root: Path, system: OfflineSystem) -> ServerAccount:
    account = ServerAccount(ACCOUNT, layout.sysusers, layout.data, system)
    account.passwd = root / "etc" / "passwd"
    return account


@needs_systemd
@pytest.mark.skipif(shutil.which("mosquitto", path="/usr/sbin:/usr/bin") is None, reason="make system")
def test_systemd_creates_the_user_and_enables_units_that_it_finds_well_protected(
    root: Path, layout: Layout, server: ServerFolder, system: OfflineSystem, server_account: ServerAccount
) -> None:
    host = Installation(layout, server_account, Systemd(system), probes=lambda *_: {})
    units = host.install(StubRelease("1"), server.path).units
    fields = server_account.passwd.read_text().splitlines()[-1].split(":")
    assert (fields[0], fields[6]) == ("mien-server", "/usr/sbin/nologin")
    for unit in units:
        assert (layout.units / "multi-user.target.wants" / unit).is_symlink()
        text = (layout.units / unit).read_text()
        assert "User=mien-server\n" in text
        security = ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager"]
        result = subprocess.run([*security, layout.units / unit], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout[-400:]
        verify = ["systemd-analyze", "verify", "--man=no", str(layout.units / unit)]
        result = subprocess.run(verify, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stderr) == (0, "")
    assert system.calls[-1] == ["systemctl", "restart", "--no-block", *units]
    assert "user mien-server\n" in (layout.data / "mosquitto" / "mosquitto.conf").read_text()
    host.uninstall(delete_data=True)
    assert not list(layout.units.rglob("*.service"))
    assert system.calls[-1] == ["userdel", "mien-server"]


@needs_systemd
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_only_root_may_read_what_no_program_needs(
    layout: Layout, server: ServerFolder, system: OfflineSystem, server_account: ServerAccount
) -> None:
    Installation(layout, server_account, Systemd(system), probes=lambda *_: {}).install(StubRelease("1"), server.path)
    ids = server_account.ids()
    owners = {name: (layout.data / name).stat().st_uid for name in ("certificate-authority", "devices")}
    assert owners == {"certificate-authority": 0, "devices": 0}
    assert (layout.data / "certificate-authority" / "ca.key").stat().st_uid == 0
    for name in ("mosquitto/server.key", "collector/data", "dashboard/token", "server.toml", "."):
        status = (layout.data / name).stat()
        assert (status.st_uid, status.st_gid) == ids, name
    acl = layout.data / "mosquitto" / "acl"
    ServerFolder(layout.data).add("porch")  # by root: mosquitto must go on reading it
    assert "porch" in acl.read_text()
    assert acl.stat().st_uid == ids[0]
    assert stat.S_IMODE(acl.stat().st_mode) == 0o600


def test_what_systemd_says_is_told(root: Path, layout: Layout) -> None:
    with pytest.raises(ConfigurationError, match=r"`systemctl enable --quiet a.service` failed \(Unit is masked.\)"):
        Systemd(OfflineSystem(root, failing="enable")).enable(["a.service"])
    assert Systemd(OfflineSystem(root)).state("a.service") == "active"
    failing = OfflineSystem(root, failing=str(layout.sysusers))
    with pytest.raises(ConfigurationError, match=r"the user mien-server cannot be created \(Unit is masked.\)"):
        SystemAccount(ACCOUNT, layout.sysusers, layout.data, failing).create()
    with pytest.raises(MissingExtra, match="nonexistent-program is missing"):
        run_command(["nonexistent-program"])


class Flapping:
    """Units that are active at every other look."""

    def __init__(self, *states: str) -> None:
        self._states = list(states)

    def state(self, unit: str) -> str:
        return self._states.pop(0) if len(self._states) > 1 else self._states[0]


def test_a_unit_that_restarts_again_and_again_is_not_ready() -> None:
    def wait(*states: str, is_ready: bool = True) -> str | None:
        probes = {"a.service": lambda: is_ready}
        return wait_until_ready(Flapping(*states), probes, timeout_s=0.05, poll_s=0.001)  # type: ignore[arg-type]

    assert wait("active") is None
    assert wait(*["active", "activating"] * 500) == "a.service"
    assert wait("activating", "active", "active") is None
    assert wait("activating", "failed", "active") == "a.service"
    assert wait("active", is_ready=False) == "a.service"
    assert not accepts_connections("127.0.0.1", 1)


def test_a_python_that_others_cannot_run_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    code = (
        "import sys; from mien.deploy.host.release import RunningRelease; "
        f"sys._base_executable = {str(tmp_path / 'copy')!r}; RunningRelease(account='nobody').check()"
    )
    shutil.copy(Path(sys.executable).resolve(), tmp_path / "copy")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ConfigurationError: only you can run" in result.stderr
    assert "/usr/bin/python3 -m venv" in result.stderr


def test_a_release_is_named_by_its_content() -> None:
    first, again = RunningRelease(account="x"), RunningRelease(account="x")
    assert first.name == again.name
    assert first.extras >= {"broker", "deploy"}
    assert RunningRelease(account="x", optional=()).name != first.name


def test_only_root_can_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match=r'sudo "\$\(command -v mien\)" server upgrade'):
        server_installation.upgrade()
