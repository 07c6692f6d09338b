"""A real PostgreSQL server for the tests, on a socket of its own."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from mosquitto import free_port
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from waiting import wait_for


@dataclass(slots=True)
class PostgreSQL:
    """A server that listens on the loopback; it can be killed and started again. Fast, not durable."""

    folder: Path
    port: int = 0
    authentication: tuple[str | Path, ...] = ("--auth=trust",)
    """initdb's options for it."""
    options: tuple[str, ...] = ()
    """Further ones of the server."""
    _process: subprocess.Popen[bytes] | None = None

    def make(self) -> Self:
        """Make a database cluster and start it. Skips the test where PostgreSQL is not installed."""
        self.folder.chmod(0o700)
        if (user := self._user()) is not None:
            os.chown(self.folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        data = ["-D", self.folder / "data", *self.authentication, "-U", "mien", "-E", "UTF8", "--no-sync"]
        subprocess.run([_program("initdb"), *data], check=True, stdout=subprocess.DEVNULL, user=user, cwd=self.folder)
        self.port = free_port()
        return self.start()

    def start(self) -> Self:
        """Start the server and wait until it answers."""
        options = [f"port={self.port}", f"unix_socket_directories={self.folder}", "fsync=off", "log_min_messages=fatal"]
        options += self.options
        flags = [flag for option in options for flag in ("-c", option)]
        self._process = subprocess.Popen(
            [_program("postgres"), "-D", str(self.folder / "data"), *flags],
            user=self._user(),
            cwd=self.folder,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self._answers)
        return self

    def stop(self) -> None:
        """Stop it at once, as a crash would: it recovers when it starts again."""
        if self._process is not None:
            self._process.send_signal(3)  # SIGQUIT: immediate shutdown; SIGKILL would leave its children behind
            self._process.wait()

    def database(self, name: str, options: str = "") -> str:
        """The URL of a new, empty database."""
        self._run(f'CREATE DATABASE "{name}" {options}')
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://mien@127.0.0.1:{self.port}/{database}"

    def _run(self, statement: str) -> None:
        engine = create_engine(
            f"postgresql+psycopg://mien@/postgres?host={self.folder}&port={self.port}",
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
        )
        with engine.connect() as connection:
            connection.execute(text(statement))

    def _answers(self) -> bool:
        ready = [_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    @staticmethod
    def _user() -> str | None:
        """PostgreSQL refuses to run as root; Debian's package brings a user for it."""
        return "postgres" if os.geteuid() == 0 else None


def _program(name: str) -> str:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([*map(str, places), os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip("PostgreSQL is not installed: make system")
    return found


@contextmanager
def running() -> Iterator[PostgreSQL]:
    """A server for as long as the caller needs it."""
    # Not pytest's own folder: that is closed to every user but the one who runs the tests.
    with tempfile.TemporaryDirectory(prefix="mien-postgresql-") as folder:
        server = PostgreSQL(Path(folder)).make()
        try:
            yield server
        finally:
            server.stop()
