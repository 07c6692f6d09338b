"""Installs, upgrades and removes the server of a Debian machine."""

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mien.deploy.backup.contents import server_files
from mien.deploy.backup.log_copy import copy_sqlite
from mien.deploy.installer.atomic_file import write_file
from mien.deploy.installer.erasure import erase
from mien.deploy.installer.snapshot import Snapshot
from mien.deploy.server.check import SECRET_FILES
from mien.deploy.server.folder import FOLDERS, INSTALLED, ServerFolder, installed_as
from mien.deploy.server.relocation import relocate, units_of
from mien.deploy.systemd_units import find_program
from mien.errors import ConfigurationError, MienError, MissingExtra, UsageError

from .account import Account
from .layout import Layout
from .log_file import LogFile
from .readiness import POLL_S, Probe, server_probes, wait_until_ready
from .release import Release
from .services import Services

ROOT_ONLY = ("certificate-authority", "devices")
"""What no running program needs stays root's."""

ProbeFactory = Callable[[Path, Path, Account, list[str]], Mapping[str, Probe]]


@dataclass(frozen=True, slots=True)
class Result:
    """What an installation or an upgrade did."""

    release: str
    previous: str | None
    """The release that ran before; None if none did, or the same."""
    units: list[str]
    copied_from: Path | None
    """The server folder that the installed one was made from now, and that is not used any more."""


class Installation:
    """The server's files and units in a system."""

    def __init__(
        self,
        layout: Layout,
        account: Account,
        services: Services,
        *,
        probes: ProbeFactory = server_probes,
        poll_s: float = POLL_S,
    ) -> None:
        """`probes` says how to see that the units are ready, each `poll_s`."""
        self._poll_s = poll_s
        self._layout = layout
        self._account = account
        self._services = services
        self._probes = probes
        self._configuration = _Configuration(layout)
        self._snapshot = Snapshot(layout.home / "previous", self._configuration)

    @property
    def release(self) -> str | None:
        """The active release; None before the first installation."""
        with suppress(OSError):
            return self._layout.current.readlink().name
        return None

    def install(self, release: Release, source: Path | None = None) -> Result:
        """Install a server folder, or the installed one again; the same release again mends what is missing.

        UsageError if another server is installed or none is named, MissingExtra without mosquitto, the errors of
        `release.check`, and MienError if the units do not become ready: then a release that ran before runs again. What
        was interrupted continues at the next call.
        """
        folder = self._source(source)
        release.check()
        if find_program("mosquitto") is None:
            raise MissingExtra("mosquitto is not installed: apt install mosquitto")
        self._build(release)
        self._account.create()
        if folder is not None:
            self._stop(folder)
            self._copy(folder)
        result = self._activate(release, folder)
        if source is not None and source.resolve() != self._layout.data:
            write_file(source.resolve() / INSTALLED, f"{self._layout.data}\n".encode(), 0o644)
        return result

    def upgrade(self, release: Release) -> Result | None:
        """Replace the release, keep the data, migrate the log; None if this release runs already.

        The errors of `install`.
        """
        if self.release is None:
            raise UsageError("no server is installed here: sudo mien server install FOLDER")
        if self.release == release.name and not self._snapshot.exists:
            return None
        return self.install(release)

    def uninstall(self, *, delete_data: bool = False) -> Path | None:
        """Remove everything; the server folder, whose path is returned, and its account only with `delete_data`."""
        layout = self._layout
        units = layout.unit_files()
        names = [unit.name for unit in units]
        self._services.stop(names)
        self._services.disable(names)
        for unit in units:
            unit.unlink(missing_ok=True)
            shutil.rmtree(unit.with_name(f"{unit.name}.d"), ignore_errors=True)
        self._services.reload()
        if layout.command.is_symlink() and layout.command.readlink() == layout.program:
            layout.command.unlink()
        if layout.home.exists():
            shutil.rmtree(layout.home)
        if not delete_data:
            return layout.data if layout.data.exists() else None
        if layout.data.exists():
            for file in layout.data.rglob("*"):
                if file.is_file() and (file.suffix == ".key" or file.name in SECRET_FILES):
                    erase(file)
            shutil.rmtree(layout.data)
        self._account.remove()
        return None

    def _source(self, source: Path | None) -> Path | None:
        """The folder to copy; None if the installed one is there. UsageError, before any change, if neither fits."""
        data = self._layout.data
        is_installed = (data / "server.toml").exists()
        if source is None or installed_as(source.resolve()) == data or source.resolve() == data:
            if not is_installed:
                raise UsageError(f"no server is installed in {data} yet: name a folder of `mien server init`")
            return None
        folder = ServerFolder(source).path
        if is_installed:
            if _authority(folder) != _authority(data):
                raise UsageError(f"another server is installed in {data}: `mien server uninstall` removes it")
            return None  # interrupted before the folder was marked
        return folder

    def _stop(self, folder: Path) -> None:
        """Stop what runs with a server folder, so that nothing is stored there any more. UsageError if it cannot."""
        self._services.stop([file.name for file in self._layout.unit_files()])  # installed by hand, of the same names
        if ServerFolder(folder).mosquitto_pid is not None:
            raise UsageError(f"an MQTT broker runs with {folder}: stop it, and its collector, first")
        containers = folder / "database" / "data"
        if containers.exists() and any(containers.iterdir()):
            raise UsageError(f"the log of {folder} is in a container's PostgreSQL: go on with `docker compose` there")

    def _build(self, release: Release) -> None:
        folder = self._layout.releases / release.name
        if folder.exists():
            return
        temporary = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in (self._layout.home, self._layout.releases):
            parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            parent.chmod(0o755)
        release.build(temporary, self._layout.current)
        os.sync()  # a release under its final name is complete, even after a power cut
        temporary.rename(folder)

    def _copy(self, folder: Path) -> None:
        """Copy a server folder to its place, where it appears complete or not at all."""
        data, ids = self._layout.data, self._account.ids()
        temporary = data.with_name(f".{data.name}.installing")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(mode=0o700, parents=True)
        for name in (*FOLDERS, "grafana/data"):
            (temporary / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in server_files(folder):
            target = temporary / file.relative_to(folder)
            for parent in reversed(target.relative_to(temporary).parents):
                (temporary / parent).mkdir(mode=0o700, exist_ok=True)
            write_file(target, file.read_bytes(), file.stat().st_mode & 0o777)
        renamed = {str(folder): str(data)}
        log = Path(LogFile(folder).database)
        if "://" not in str(log) and log.exists():
            copy_sqlite(log, temporary / "collector" / "data" / log.name)
            (temporary / "collector" / "data" / log.name).chmod(0o600)
            renamed[str(log)] = str(data / "collector" / "data" / log.name)
        relocate(temporary, data, renamed, self._account.name, ids, self._layout.program)
        self._give(temporary, ids)
        os.sync()
        if data.exists():  # without server.toml: someone made an empty folder
            data.rmdir()
        temporary.rename(data)

    def _give(self, folder: Path, ids: tuple[int, int]) -> None:
        if os.geteuid() != 0:
            return
        root_only = {folder / name for name in ROOT_ONLY}
        os.chown(folder, *ids)
        for path in folder.rglob("*"):
            if not root_only & {path, *path.parents}:
                os.chown(path, *ids, follow_symlinks=False)

    def _activate(self, release: Release, copied_from: Path | None) -> Result:
        """Migrate the log, switch to the release and wait for it; go back if it does not become ready."""
        layout, log = self._layout, LogFile(self._layout.data)
        previous = self._snapshot.take(self.release, release.name)
        units = {
            name: unit
            for name, unit in units_of(layout.data, layout.data, self._account.name, layout.program).items()
            if name != "mien-dashboard.service" or "dashboard" in release.extras
        }
        names = list(units)
        if self.release != release.name:
            self._services.stop([file.name for file in layout.unit_files()])
        try:
            if self.release != release.name:
                log.migrate(layout.releases / release.name / "bin" / "mien", self._account, release.name)
            layout.units.mkdir(parents=True, exist_ok=True)
            for name, unit in units.items():
                write_file(layout.units / name, unit.encode(), 0o644)
            self._switch(release.name)
            self._services.reload()
            self._services.enable(names)
            # Before they start: only what is written from now on tells that they are online.
            probes = self._probes(layout.data, layout.program, self._account, names)
            self._services.restart(names)
            late = wait_until_ready(self._services, probes, poll_s=self._poll_s)
            failure = late and f"{late} of release {release.name} did not become ready (see `journalctl -u {late}`)"
        except MienError as error:
            failure = str(error)
        if failure is not None:
            self._fail(failure, previous if previous != release.name else None, names)
        self._snapshot.delete()
        for folder in layout.releases.iterdir():
            if folder.name not in (previous, release.name):
                shutil.rmtree(folder, ignore_errors=True)
        os.sync()
        return Result(release.name, None if previous == release.name else previous, names, copied_from)

    def _switch(self, release: str) -> None:
        """Make a release the active one, atomically."""
        temporary = self._layout.home / "current.new"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(Path("releases") / release)
        temporary.replace(self._layout.current)
        command = self._layout.command
        if not command.exists() and not command.is_symlink():  # someone else's stays
            command.parent.mkdir(parents=True, exist_ok=True)
            command.symlink_to(self._layout.program)

    def _fail(self, failure: str, previous: str | None, names: list[str]) -> None:
        """Go back to the release that ran before, if there is one; raises MienError in any case."""
        if previous is None or not (self._layout.releases / previous).exists():
            raise MienError(f"{failure}: mend that, and run `mien server install` again")
        self._services.stop(names)
        self._services.disable(names)
        self._snapshot.restore_configuration()
        self._switch(previous)
        self._services.reload()
        former = [file.name for file in self._layout.unit_files()]
        self._services.enable(former)
        probes = self._probes(self._layout.data, self._layout.program, self._account, former)
        self._services.restart(former)
        late = wait_until_ready(self._services, probes, poll_s=self._poll_s)
        self._snapshot.delete()
        aside = self._configuration.later_log
        kept = f"; what the log received meanwhile is in {aside}" if aside else ""
        state = f"restored release {previous}, whose {late} is not ready either" if late else f"restored {previous}"
        raise MienError(f"{failure}: {state}{kept}")


class _Configuration:
    """The units, and the revision of the log's tables."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.later_log: Path | None = None
        """What a later release had made of the log, once `restore` has put the former one back."""

    def back_up(self, folder: Path) -> None:
        (folder / "units").mkdir()
        for unit in self._layout.unit_files():
            shutil.copy(unit, folder / "units" / unit.name)
        with suppress(OSError):
            (folder / "revision").write_text(LogFile(self._layout.data).revision())

    def restore(self, folder: Path) -> None:
        with suppress(FileNotFoundError):
            self.later_log = LogFile(self._layout.data).go_back((folder / "revision").read_text())
        kept = sorted((folder / "units").iterdir())
        for unit in kept:
            write_file(self._layout.units / unit.name, unit.read_bytes(), 0o644)
        for unit in self._layout.unit_files():
            if unit.name not in {one.name for one in kept}:
                unit.unlink()


def _authority(folder: Path) -> bytes:
    """The authority's certificate, which no two servers share."""
    try:
        return (folder / "certificate-authority" / "ca.crt").read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{folder} holds no certificate authority ({error}): restore a backup") from error
