"""The emotion log of an installed server, while a release replaces another one."""

import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

from mien.deploy.backup.log_copy import dump_postgresql
from mien.errors import DatabaseError
from mien.files.text_file import read_text

from .account import Account

SIDE_FILES = ("-wal", "-shm")


class LogFile:
    """The log that the collector's settings name: a SQLite file, or a PostgreSQL database."""

    def __init__(self, data: Path) -> None:
        """`data` is the server folder."""
        self._data = data
        self.database = str(tomllib.loads(read_text(data / "collector" / "collector.toml"))["database"])
        self._file = None if "://" in self.database else Path(self.database)

    def revision(self) -> str:
        """The revision of its tables; empty for a log that does not exist, and for PostgreSQL."""
        return "" if self._file is None else _revision(self._file)

    def migrate(self, program: Path, account: Account, release: str) -> None:
        """Migrate it to the release of `program`, which copies the file before; nothing if there is no log yet.

        A PostgreSQL database is dumped into the server folder before. Nobody may be writing. DatabaseError if it cannot
        be migrated, MissingExtra without pg_dump.
        """
        if self._file is not None and not self._file.exists():
            return
        if self._file is None:
            dump = self._data / "collector" / "data" / f"before-{release}.pgdump"
            part = dump.with_suffix(".part")
            dump_postgresql(self.database, part)
            part.chmod(0o600)
            for old in dump.parent.glob("before-*.pgdump"):
                old.unlink()
            part.rename(dump)
        result = account.run([str(program), "db", "migrate", "--db", self.database])
        if result.returncode:
            raise DatabaseError(result.stderr.strip().removeprefix("mien: ") or f"{program} cannot migrate the log")

    def go_back(self, revision: str) -> Path | None:
        """Put back the copy of before the migration, if the log is of another revision than this one.

        What a later release has written stays in a file next to it, whose path is returned: nothing is deleted.
        DatabaseError if there is no such copy.
        """
        if self._file is None or not revision or self.revision() == revision:
            return None
        copies = sorted(
            (copy for copy in self._file.parent.glob(f"{self._file.name}.*-before-*") if _revision(copy) == revision),
            key=lambda copy: copy.stat().st_mtime_ns,
        )
        if not copies:
            raise DatabaseError(
                f"{self._file} was migrated, and there is no copy of it of revision {revision}: restore a backup"
            )
        aside = copies[-1].with_name(f"{copies[-1].name}.later")
        with closing(sqlite3.connect(self._file)) as log:
            log.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for suffix in SIDE_FILES:
            self._file.with_name(f"{self._file.name}{suffix}").unlink(missing_ok=True)
        aside.unlink(missing_ok=True)
        aside.hardlink_to(self._file)  # so that there is a log at every moment
        copies[-1].replace(self._file)
        return aside


def _revision(file: Path) -> str:
    """Opened for writing, although it only reads: then SQLite leaves no files next to it."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)) as log:
            row = log.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:
        return ""
    return str(row[0]) if row else ""
