"""A consistent copy of the emotion log while the collector writes it."""

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from mien.deploy.systemd_units import find_program
from mien.errors import DatabaseError, MissingExtra

WITHOUT = "or leave it out with --without-database"


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a SQLite file as it is at one moment; whoever writes it goes on meanwhile. DatabaseError if it cannot be."""
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as original,
            closing(sqlite3.connect(target)) as copy,
        ):
            original.backup(copy)
            (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise DatabaseError(f"{source} cannot be copied ({error}): see `mien db check`, {WITHOUT}") from error
    if verdict != "ok":
        raise DatabaseError(f"{source} is damaged ({verdict}): see `mien db check`, {WITHOUT}")


def dump_postgresql(url: str, target: Path) -> None:
    """Dump a PostgreSQL database in pg_dump's own compressed format, as of one moment.

    MissingExtra if pg_dump is not installed, DatabaseError if it fails.
    """
    program = find_program("pg_dump")
    if program is None:
        raise MissingExtra(f"pg_dump is not installed: apt install postgresql-client, {WITHOUT}")
    parts = urlsplit(url)
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    host = parts.netloc.rpartition("@")[2]
    # Other users can see a command's arguments. Nor does pg_dump know SQLAlchemy's names of drivers.
    address = urlunsplit(("postgresql", f"{user}@{host}" if user else host, *parts[2:]))
    environment = os.environ | ({"PGPASSWORD": unquote(password)} if password else {})
    command = [program, "--format=custom", "--no-password", f"--file={target}", f"--dbname={address}"]
    result = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if result.returncode:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[0].removeprefix("pg_dump: error: ")
        raise DatabaseError(f"pg_dump failed ({reason}): see that it can read the database, {WITHOUT}")
