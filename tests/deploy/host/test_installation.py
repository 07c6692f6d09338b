"""`mien server install`, `upgrade` and `uninstall`, under a folder in place of a system's root."""

import os
import re
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from bundles import FakeServices, OwnAccount, StubRelease, are_active

from mien.broker.database.engine import open_for_writing
from mien.deploy.host.installation import Installation
from mien.deploy.host.layout import Layout
from mien.deploy.server.folder import ServerFolder
from mien.errors import ConfigurationError, MienError, MissingExtra, UsageError

UNITS = ["mien-mosquitto.service", "mien-collector.service", "mien-dashboard.service"]
pytestmark = pytest.mark.skipif(
    shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") is None, reason="mosquitto: make system"
)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def contents(root: Path) -> dict[str, bytes | str]:
    """All files and links, but not when they were written."""
    return {
        str(file.relative_to(root)): str(file.readlink()) if file.is_symlink() else file.read_bytes()
        for file in root.rglob("*")
        if file.is_symlink() or file.is_file()
    }


def releases(layout: Layout) -> set[str]:
    return {folder.name for folder in layout.releases.iterdir()}


def revision(log: Path) -> str:
    with closing(sqlite3.connect(log)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def devices(log: Path) -> list[str]:
    with closing(sqlite3.connect(log)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM device ORDER BY name")]


def add_device(log: Path, name: str) -> None:
    with closing(sqlite3.connect(log)) as connection, connection:
        connection.execute("INSERT INTO device (name) VALUES (?)", [name])


@pytest.fixture
def log_file(server: ServerFolder) -> Path:
    """The emotion log of the folder that is installed, with one device."""
    log = server.path / "collector" / "data" / "mien.db"
    open_for_writing(str(log)).dispose()
    add_device(log, "kitchen")
    return log


MIGRATION = """\
test "$(sqlite3 "$4" 'SELECT version_num FROM alembic_version')" = 1 || exit 0
cp "$4" "$4.20300101T000000-before-2"
sqlite3 "$4" "UPDATE alembic_version SET version_num = 2; INSERT INTO device (name) VALUES ('later')"
"""
"""As `mien db migrate` of a later release does."""


def test_a_server_is_copied_to_a_user_of_its_own_and_runs(
    host: Installation, server: ServerFolder, layout: Layout, services: FakeServices, log_file: Path
) -> None:
    result = host.install(StubRelease("1"), server.path)
    assert (result.release, result.previous, result.units) == ("1", None, UNITS)
    assert services.calls[-3:] == ["reload", f"enable {' '.join(UNITS)}", f"restart {' '.join(UNITS)}"]
    installed = ServerFolder(layout.data)
    assert [device.name for device in installed.devices()] == ["hallway", "kitchen"]
    assert installed.server == server.server
    assert devices(layout.data / "collector" / "data" / "mien.db") == ["kitchen"]
    for file in ("mosquitto/mosquitto.conf", "collector/collector.toml", "dashboard/dashboard.toml", "compose.yaml"):
        text = (layout.data / file).read_text()
        assert str(layout.data) in text, file
        assert str(server.path) not in text, file
    for unit in UNITS:
        text = (layout.units / unit).read_text()
        assert str(server.path) not in text
        assert f"User={OwnAccount().name}\n" in text
        assert mode(layout.units / unit) == 0o644
    assert (
        f"ExecStart={layout.home}/current/bin/mien collect --config {layout.data}/collector/collector.toml\n"
        in (layout.units / "mien-collector.service").read_text()
    )
    assert layout.command.resolve() == layout.releases / "1" / "bin" / "mien"
    assert mode(layout.data) == 0o700
    keys = list(layout.data.rglob("*.key"))
    assert len(keys) == len([*server.path.rglob("*.key")]) > 5
    assert {mode(key) for key in keys} == {0o600}


def test_the_former_folder_refuses_to_be_used_instead(host: Installation, server: ServerFolder, layout: Layout) -> None:
    host.install(StubRelease("1"), server.path)
    with pytest.raises(ConfigurationError, match=rf"was installed as {layout.data}: use --server {layout.data}"):
        ServerFolder(server.path)
    ServerFolder(layout.data).add("porch")
    before = contents(layout.data)
    host.install(StubRelease("1"), server.path)
    assert contents(layout.data) == before


def test_installing_again_changes_nothing_and_mends_what_is_missing(
    host: Installation, server: ServerFolder, layout: Layout, root: Path
) -> None:
    host.install(StubRelease("1"), server.path)
    before = contents(root)
    assert host.install(StubRelease("1")).copied_from is None
    assert contents(root) == before
    (layout.units / UNITS[1]).unlink()
    shutil.rmtree(layout.releases / "1")
    host.install(StubRelease("1"))
    assert contents(root) == before


def test_a_server_without_the_dashboard_s_packages_has_no_dashboard(
    host: Installation, server: ServerFolder, layout: Layout
) -> None:
    assert host.install(StubRelease("1", extras=()), server.path).units == UNITS[:2]
    assert [unit.name for unit in layout.unit_files()] == sorted(UNITS[:2])


def test_further_collectors_run_too(host: Installation, server: ServerFolder, layout: Layout) -> None:
    shutil.copytree(server.path / "collector", server.path / "collectors" / "second")
    units = host.install(StubRelease("1"), server.path).units
    assert units[-1] == "mien-collector-second.service"
    assert f"{layout.data}/collectors/second/collector.toml" in (layout.units / units[-1]).read_text()


def test_an_upgrade_keeps_the_data_and_one_former_release(
    host: Installation, server: ServerFolder, layout: Layout, log_file: Path
) -> None:
    host.install(StubRelease("1"), server.path)
    add_device(layout.data / "collector" / "data" / "mien.db", "porch")
    before = contents(layout.data)
    result = host.upgrade(StubRelease("2"))
    assert result is not None
    assert (result.release, result.previous) == ("2", "1")
    assert contents(layout.data) == before
    assert releases(layout) == {"1", "2"}
    host.upgrade(StubRelease("3"))
    assert releases(layout) == {"2", "3"}
    assert host.release == "3"
    assert host.upgrade(StubRelease("3")) is None
    assert devices(layout.data / "collector" / "data" / "mien.db") == ["kitchen", "porch"]


def test_an_upgrade_stops_the_server_before_it_migrates_the_log(
    host: Installation, server: ServerFolder, layout: Layout, services: FakeServices, log_file: Path
) -> None:
    host.install(StubRelease("1"), server.path)
    services.calls.clear()
    host.upgrade(StubRelease("2", migration=MIGRATION))
    assert services.calls[0] == f"stop {' '.join(sorted(UNITS))}"
    log = layout.data / "collector" / "data" / "mien.db"
    assert revision(log) == "2"
    (copy,) = log.parent.glob("mien.db.*-before-2")
    assert (revision(copy), devices(copy)) == ("1", ["kitchen"])


def test_a_release_that_does_not_become_ready_is_replaced_by_the_former_one(
    host: Installation, server: ServerFolder, layout: Layout, services: FakeServices, log_file: Path, root: Path
) -> None:
    host.install(StubRelease("1"), server.path)
    before = contents(root)
    services.failing = {"2"}
    log = layout.data / "collector" / "data" / "mien.db"
    message = r"mien-\w+.service of release 2 did not .*journalctl.*: restored 1; what the log received.* is in (.*)$"
    with pytest.raises(MienError, match=message) as raised:
        host.upgrade(StubRelease("2", extras=(), migration=MIGRATION))
    found = re.search(message, str(raised.value))
    assert found
    later = Path(found[1])
    assert (revision(later), devices(later)) == ("2", ["kitchen", "later"])
    assert (revision(log), devices(log)) == ("1", ["kitchen"])
    later.unlink()
    shutil.rmtree(layout.releases / "2")
    assert contents(root) == before
    assert services.calls[-1] == f"restart {' '.join(sorted(UNITS))}"


def test_a_log_that_cannot_be_migrated_stays_and_so_does_the_release(
    host: Installation, server: ServerFolder, layout: Layout, log_file: Path
) -> None:
    host.install(StubRelease("1"), server.path)
    with pytest.raises(MienError, match="the disk is full: restored 1"):
        host.upgrade(StubRelease("2", migration="echo 'mien: the disk is full' >&2; exit 8"))
    assert host.release == "1"
    assert revision(layout.data / "collector" / "data" / "mien.db") == "1"


def test_a_first_installation_that_fails_can_be_repeated(
    host: Installation, server: ServerFolder, services: FakeServices, layout: Layout
) -> None:
    services.failing = {"1"}
    with pytest.raises(MienError, match=r"did not become ready .*: mend that, and run `mien server install` again"):
        host.install(StubRelease("1"), server.path)
    ServerFolder(server.path)  # not marked as installed
    services.failing = set()
    assert host.install(StubRelease("1"), server.path).previous is None
    assert not (layout.home / "previous").exists()


@pytest.mark.parametrize("delete_data", [False, True])
def test_what_is_uninstalled_leaves_the_data_unless_told_otherwise(
    host: Installation,
    server: ServerFolder,
    layout: Layout,
    services: FakeServices,
    account: OwnAccount,
    root: Path,
    delete_data: bool,
) -> None:
    host.install(StubRelease("1"), server.path)
    agent = layout.units / "mien-agent.service"
    agent.write_text("of a device on the same machine")
    (layout.units / f"{UNITS[0]}.d").mkdir()
    data = contents(layout.data)
    services.calls.clear()
    kept = host.uninstall(delete_data=delete_data)
    assert services.calls == [
        f"stop {' '.join(sorted(UNITS))}",
        f"disable {' '.join(sorted(UNITS))}",
        "reload",
    ]
    if delete_data:
        assert kept is None
        assert account.calls == ["create", "remove"]
        assert contents(root) == {str(agent.relative_to(root)): b"of a device on the same machine"}
        ServerFolder(server.path)  # it can be installed again
    else:
        assert kept == layout.data
        assert account.calls == ["create"]  # its ID must not become another's
        assert contents(layout.data) == data
        assert list(layout.units.iterdir()) == [agent]
        assert not layout.home.exists()
        assert not layout.command.is_symlink()
        host.install(StubRelease("2"))
        assert contents(layout.data) == data
    host.uninstall(delete_data=delete_data)  # again


def test_someone_else_s_command_stays(host: Installation, server: ServerFolder, layout: Layout) -> None:
    layout.command.parent.mkdir(parents=True)
    layout.command.write_text("an agent's")
    host.install(StubRelease("1"), server.path)
    host.uninstall()
    assert layout.command.read_text() == "an agent's"


def test_another_server_is_refused_before_anything_changes(
    host: Installation, server: ServerFolder, tmp_path: Path, root: Path, services: FakeServices
) -> None:
    with pytest.raises(UsageError, match="no server is installed here: sudo mien server install FOLDER"):
        host.upgrade(StubRelease("1"))
    with pytest.raises(UsageError, match="name a folder of `mien server init`"):
        host.install(StubRelease("1"))
    host.install(StubRelease("1"), server.path)
    before, calls = contents(root), len(services.calls)
    other = ServerFolder.create(tmp_path / "other", ["localhost"], 8884)
    with pytest.raises(UsageError, match=r"another server is installed in .*: `mien server uninstall`"):
        host.install(StubRelease("1"), other.path)
    with pytest.raises(ConfigurationError, match="is not a server folder"):
        host.install(StubRelease("1"), tmp_path)
    assert contents(root) == before
    assert len(services.calls) == calls


def test_a_server_in_containers_goes_on_there(host: Installation, server: ServerFolder) -> None:
    (server.path / "database" / "data").mkdir()
    (server.path / "database" / "data" / "PG_VERSION").write_text("17")
    with pytest.raises(UsageError, match="go on with `docker compose` there"):
        host.install(StubRelease("1"), server.path)


def test_without_mosquitto_nothing_is_changed(
    host: Installation, server: ServerFolder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("mien.deploy.host.installation.find_program", lambda name: None)
    with pytest.raises(MissingExtra, match="apt install mosquitto"):
        host.install(StubRelease("1"), server.path)
    assert not root.exists()


class PowerCutError(BaseException):
    """Not an Exception, so that nothing in a program handles it."""


class Power:
    """Counts the operations that change file names or the services, and fails before the chosen one."""

    def __init__(self) -> None:
        self.steps_left: int | None = None

    def watch(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            if self.steps_left is not None:
                self.steps_left -= 1
                if self.steps_left < 0:
                    raise PowerCutError
            return operation(*arguments, **options)

        return run

    def cut_at_each_step(self, change: Callable[[], object]) -> Iterator[int]:
        """Make a change, interrupted before its first operation, its second, and so on, until it completes."""
        for step in count():
            self.steps_left = step
            try:
                change()
            except PowerCutError:
                self.steps_left = None
                yield step
            else:
                self.steps_left = None
                return


@pytest.fixture
def power(monkeypatch: pytest.MonkeyPatch) -> Power:
    power = Power()
    monkeypatch.setattr(os, "sync", lambda: None)  # slow, and no real power cut is simulated
    monkeypatch.setattr(os, "fsync", lambda _: None)
    for name in ("rename", "symlink_to"):
        monkeypatch.setattr(Path, name, power.watch(getattr(Path, name)))
    monkeypatch.setattr(shutil, "rmtree", power.watch(shutil.rmtree))
    for name in ("enable", "restart", "stop", "reload"):
        monkeypatch.setattr(FakeServices, name, power.watch(getattr(FakeServices, name)))
    return power


def test_an_interrupted_installation_continues(
    server: ServerFolder, layout: Layout, tmp_path: Path, power: Power, log_file: Path
) -> None:
    roots = (tmp_path / f"system{number}" for number in count())
    trials: list[Layout] = []

    def install() -> None:
        trials.append(Layout.under(next(roots)))
        host = Installation(trials[-1], OwnAccount(), FakeServices(), probes=are_active, poll_s=0)
        host.install(StubRelease("1"), server.path)

    step = 0
    for step in power.cut_at_each_step(install):  # noqa: B007  # used after the loop
        trial = trials[-1]
        services = FakeServices()
        host = Installation(trial, OwnAccount(), services, probes=are_active, poll_s=0)
        (server.path / "installed").unlink(missing_ok=True)
        assert host.install(StubRelease("1"), server.path).release == "1"
        assert services.calls[-1] == f"restart {' '.join(UNITS)}"
        assert devices(trial.data / "collector" / "data" / "mien.db") == ["kitchen"]
        assert [path.name for path in trial.data.parent.iterdir()] == ["mien-server"]
        assert {path.name for path in trial.home.iterdir()} == {"current", "releases"}
        (server.path / "installed").unlink()
    assert step > 5


def test_an_interrupted_upgrade_continues_or_goes_back(
    host: Installation, server: ServerFolder, layout: Layout, root: Path, tmp_path: Path, power: Power, log_file: Path
) -> None:
    host.install(StubRelease("1"), server.path)
    second = StubRelease("2", migration=MIGRATION)
    step = 0
    log = layout.data / "collector" / "data" / "mien.db"
    saved = tmp_path / "saved"
    shutil.copytree(root, saved, symlinks=True)

    def restore(source: Path) -> None:
        power.steps_left = None
        shutil.rmtree(root)
        shutil.copytree(source, root, symlinks=True)

    def upgrade() -> None:
        steps = power.steps_left
        restore(saved)
        power.steps_left = steps
        host.upgrade(second)

    for step in power.cut_at_each_step(upgrade):
        interrupted = tmp_path / f"interrupted{step}"
        shutil.copytree(root, interrupted, symlinks=True)
        result = host.upgrade(second)
        assert (host.release, revision(log)) == ("2", "2")
        assert not (layout.home / "previous").exists()
        if result is None:
            continue  # it was interrupted after everything else
        assert (result.release, result.previous) == ("2", "1")
        restore(interrupted)
        failing = FakeServices()
        other = Installation(layout, OwnAccount(), failing, probes=are_active, poll_s=0)
        failing.failing, failing.release = {"2"}, lambda: other.release  # noqa: B023  # called within the loop
        with pytest.raises(MienError, match="restored 1"):
            other.upgrade(second)
        assert other.release == "1"
        assert (revision(log), devices(log)) == ("1", ["kitchen"])
    assert step > 8
