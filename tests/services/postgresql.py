"""A real PostgreSQL server for the tests, with its own socket and port."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from mosquitto import free_port
from polling import wait_for
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool


@dataclass(slots=True)
class PostgreSQL:
    """A server that listens on the loopback interface; it can be stopped and started again. Fast, not durable."""

    folder: Path
    port: int = 0
    authentication: tuple[str | Path, ...] = ("--auth=trust",)
    """initdb's options for authentication."""
    options: tuple[str, ...] = ()
    """Further settings of the server, as NAME=VALUE."""
    address: str = "127.0.0.1"
    """Of the loopback interface."""
    _process: subprocess.Popen[bytes] | None = None

    def create(self) -> Self:
        """Create a database cluster and start it. Skips the test if PostgreSQL is not installed."""
        self.folder.chmod(0o700)
        if (user := self._user()) is not None:
            os.chown(self.folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        options = ["-D", self.folder / "data", *self.authentication, "-U", "mien", "-E", "UTF8", "--no-sync"]
        initdb = [_find_program("initdb"), *options]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, user=user, cwd=self.folder)
        self.port = free_port()
        return self.start()

    def start(self) -> Self:
        """Start the server and wait until it accepts connections."""
        options = [f"listen_addresses={self.address}", f"port={self.port}"]
        options += [f"unix_socket_directories={self.folder}", "fsync=off", "log_min_messages=fatal"]
        flags = [flag for option in [*options, *self.options] for flag in ("-c", option)]
        self._process = subprocess.Popen(
            [_find_program("postgres"), "-D", str(self.folder / "data"), *flags],
            user=self._user(),
            cwd=self.folder,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._is_up)
        return self

    def stop(self) -> None:
        """Stop it abruptly, as a crash would: it recovers when it starts again."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # immediate shutdown; SIGKILL would leave its children behind
            self._process.wait()

    def database(self, name: str, options: str = "") -> str:
        """Create an empty database and return its URL."""
        self.execute(f'CREATE DATABASE "{name}" {options}')
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://mien@{self.address}:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement as the server's owner, outside of a transaction."""
        engine = create_engine(
            f"postgresql+psycopg://mien@/{database}?host={self.folder}&port={self.port}",
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
        )
        with engine.connect() as connection:
            connection.execute(text(statement))

    def create_standby(self, standby: "PostgreSQL") -> "PostgreSQL":
        """Copy this server to `standby`, which has another address, and start it as a streaming replica."""
        standby.folder.chmod(0o700)
        if (user := self._user()) is not None:
            shutil.chown(standby.folder, user, user)
        source = ["-h", str(self.folder), "-p", str(self.port), "-U", "mien", "--checkpoint=fast", "--no-sync"]
        target = ["--write-recovery-conf", "-D", str(standby.folder / "data")]
        subprocess.run([_find_program("pg_basebackup"), *source, *target], check=True, user=user, cwd=standby.folder)
        standby.port = self.port
        return standby.start()

    def promote(self) -> None:
        """Make a replica the primary server."""
        command = [_find_program("pg_ctl"), "promote", "--silent", "-D", str(self.folder / "data")]
        subprocess.run(command, check=True, user=self._user(), cwd=self.folder)

    def _is_up(self) -> bool:
        pg_isready = [_find_program("pg_isready"), "-q", "-h", self.address, "-p", str(self.port)]
        return subprocess.run(pg_isready, check=False).returncode == 0

    @staticmethod
    def _user() -> str | None:
        """PostgreSQL refuses to run as root; Debian's package creates a user for it."""
        return "postgres" if os.geteuid() == 0 else None


def reading_url(url: str) -> str:
    """A log's path, or its URL for a role that can only read its tables, which have to exist."""
    if "://" not in url:
        return url
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.begin() as connection:
        if not connection.scalar(text("SELECT count(*) FROM pg_roles WHERE rolname = 'reader'")):
            connection.execute(text("CREATE ROLE reader LOGIN"))
        connection.execute(text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"))
    return url.replace("//mien@", "//reader@")


def _find_program(name: str) -> str:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ.get("PATH", "")]))
    if path is None:
        pytest.skip("PostgreSQL is not installed: make system")
    return path


@contextmanager
def running_postgresql() -> Iterator[PostgreSQL]:
    """A server that runs while the block does."""
    # Not pytest's own folder: only the user who runs the tests can access that.
    with tempfile.TemporaryDirectory(prefix="mien-postgresql-") as folder:
        server = PostgreSQL(Path(folder)).create()
        try:
            yield server
        finally:
            server.stop()
