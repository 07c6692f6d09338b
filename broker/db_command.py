"""The verbs `mien db migrate|check|backup|vacuum`."""

from pathlib import Path
from typing import Annotated

import typer

from mien.errors import DatabaseError, UsageError

DatabaseOption = Annotated[
    str, typer.Option("--db", help="The emotion log: a SQLite file or postgresql://HOST/DATABASE.")
]

db = typer.Typer(help="Look after the emotion log: migrate, check, back up, vacuum.", no_args_is_help=True)


@db.command()
def migrate(database: DatabaseOption = "mien.db") -> None:
    """Bring the log to this release's form, after a copy of its file.

    The collector must be stopped. PostgreSQL is not copied: use pg_dump before.
    """
    from .database import migrate as migrate_log
    from .progress import progress
    from .schema import REVISION

    step, copy = migrate_log(database, progress)
    if step == REVISION:
        typer.echo(f"{database} is up to date, at step {REVISION}")
    else:
        kept = f"; the copy before it: {copy}" if copy else ""
        typer.echo(f"{database} went from step {step or 0} to {REVISION}{kept}")


@db.command()
def check(
    database: DatabaseOption = "mien.db",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check that the log is sound and whole: file, rollup, gaps.

    Exit code 8 if a check fails. A gap is no failure of the file: it says that a device counted what never came.
    """
    import json

    from .checking import check_log
    from .database import open_for_reading

    found = check_log(open_for_reading(database))
    failed = [name for name, problem in found.problems.items() if problem]
    if as_json:
        typer.echo(json.dumps({"problems": found.problems, "gaps": found.gaps, "dropped": found.dropped}))
    else:
        for name, problem in found.problems.items():
            typer.echo(f"{'error' if problem else 'ok':5} {name}{': ' + problem if problem else ''}")
        for device, outboxes in found.gaps.items():
            if not outboxes:
                typer.echo(f"ok    no numbers missing from {device}")
            for outbox, runs in outboxes.items():
                words = ", ".join(f"{first}-{last}" for first, last in runs)
                typer.echo(f"gaps  numbers missing from {device}: {words} of its outbox {outbox}")
        for device, count in found.dropped.items():
            typer.echo(f"      declared lost by {device}: {count}")
    if failed:
        raise DatabaseError(f"{database} has failed the check of {', '.join(failed)}: restore a backup of it")


@db.command()
def backup(
    out: Annotated[Path, typer.Argument(help="The file to write.")],
    database: DatabaseOption = "mien.db",
) -> None:
    """Copy the log's file as it stands, while the collector runs."""
    from .database import Place
    from .progress import progress
    from .sqlite import back_up

    place = Place.of(database)
    if place.path is None:
        raise UsageError("mien copies SQLite files only: use pg_dump for PostgreSQL")
    if not place.path.is_file():
        raise DatabaseError(f"{place} does not exist: name the collector's database with --db")
    back_up(place.path, out, progress)
    typer.echo(out)


@db.command()
def vacuum(database: DatabaseOption = "mien.db") -> None:
    """Give back the room that deleted rows have left.

    The collector may run: it waits, and devices keep their observations until then. A SQLite file needs as much room
    again for a moment.
    """
    from .database import Place, open_for_writing
    from .progress import progress
    from .vacuuming import vacuum as vacuum_log

    path = Place.of(database).path
    engine = open_for_writing(database, make=False)
    before = _size_bytes(path) if path else 0
    with progress("rewriting", total=2) as step:
        vacuum_log(engine, step)
    engine.dispose()
    typer.echo(f"{database}: {before} bytes before, {_size_bytes(path)} now" if path else "done")


def _size_bytes(path: Path) -> int:
    """Of a SQLite file and its write-ahead log."""
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())
