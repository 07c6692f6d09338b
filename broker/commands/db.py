"""The commands `mien db migrate|check|backup|vacuum`, and the group `mien db` that also has those in `subject.py`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.errors import DatabaseError, UsageError

from .options import DatabaseOption
from .subject import erase, export_subject

if TYPE_CHECKING:
    from mien.broker.database.gaps import Gaps

MAX_GAPS = 10
"""Printed; a log with very many would scroll everything else away."""

db = typer.Typer(
    help="Maintain the emotion log: migrate, check, backup, vacuum, erase, export-subject.", no_args_is_help=True
)


@db.command()
def migrate(database: DatabaseOption = "mien.db") -> None:
    """Migrate the log to this release's schema, after copying its file.

    Stop the collector first. PostgreSQL databases are not copied: run pg_dump first.
    """
    from mien.broker.database.engine import migrate as migrate_log
    from mien.broker.database.schema import REVISION
    from mien.progress import progress_bar

    old_revision, copy = migrate_log(database, progress_bar)
    if old_revision == REVISION:
        typer.echo(f"{database} is up to date, at revision {REVISION}")
    else:
        copy_note = f"; copy of the old file: {copy}" if copy else ""
        typer.echo(f"{database} was migrated from revision {old_revision or 0} to {REVISION}{copy_note}")


@db.command()
def check(
    database: DatabaseOption = "mien.db",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check the log for damage and for gaps; all of them with --json, else the first ten and their number.

    Exit code 8 if it is damaged. Gaps are not damage: they are messages that a device has numbered and that never
    arrived.
    """
    import json

    from mien.broker.admin.integrity import check_log
    from mien.broker.database.engine import open_for_reading

    report = check_log(open_for_reading(database))
    failed = [name for name, problem in report.problems.items() if problem]
    if as_json:
        typer.echo(json.dumps({"problems": report.problems, "gaps": report.gaps, "dropped": report.dropped}))
    else:
        for name, problem in report.problems.items():
            typer.echo(f"{'error' if problem else 'ok':5} {name}{': ' + problem if problem else ''}")
        _print_gaps(report.gaps)
        for device, count in report.dropped.items():
            typer.echo(f"      dropped by {device}: {count}")
    if failed:
        raise DatabaseError(f"{database} is damaged ({', '.join(failed)}): restore a backup")


def _print_gaps(gaps: "Gaps") -> None:
    """Print a line for each device without gaps and for each outbox with some, until MAX_GAPS are printed."""
    left = MAX_GAPS
    for device, ranges_by_outbox in gaps.items():
        if not ranges_by_outbox:
            typer.echo(f"ok    no gaps from {device}")
        for outbox, ranges in ranges_by_outbox.items():
            numbers = ", ".join(f"{first}-{last}" for first, last in ranges[:left])
            if numbers:
                typer.echo(f"gaps  from {device}: {numbers} of outbox {outbox}")
            left -= len(ranges[:left])
    found = [one for ranges_by_outbox in gaps.values() for ranges in ranges_by_outbox.values() for one in ranges]
    if found:
        missing = sum(last - first + 1 for first, last in found)
        hint = "; --json lists them all" if len(found) > MAX_GAPS else ""
        typer.echo(f"      gaps in all: {len(found)}, missing numbers: {missing}{hint}")


@db.command()
def backup(
    out: Annotated[Path, typer.Argument(help="The file to write.")],
    database: DatabaseOption = "mien.db",
) -> None:
    """Copy the log to a file; the collector may be running."""
    from mien.broker.database.location import DatabaseLocation
    from mien.broker.database.sqlite import back_up
    from mien.progress import progress_bar

    location = DatabaseLocation.parse(database)
    if location.path is None:
        raise UsageError("only SQLite files can be backed up: use pg_dump for PostgreSQL")
    if not location.path.is_file():
        raise DatabaseError(f"{location} does not exist: name the collector's database with --db")
    back_up(location.path, out, progress_bar)
    typer.echo(out)


@db.command()
def vacuum(database: DatabaseOption = "mien.db") -> None:
    """Reclaim the disk space of deleted rows.

    The collector may be running: it waits, and devices keep their observations until then. A SQLite file needs its own
    size again in free disk space while it is rewritten.
    """
    from mien.broker.admin.vacuum import vacuum_log
    from mien.broker.database.engine import open_for_writing
    from mien.broker.database.location import DatabaseLocation
    from mien.progress import progress_bar

    path = DatabaseLocation.parse(database).path
    engine = open_for_writing(database, create=False)
    old_size_bytes = _size_bytes(path) if path else 0
    with progress_bar("vacuuming", total=2) as advance:
        vacuum_log(engine, advance)
    engine.dispose()
    typer.echo(f"{database}: {old_size_bytes} bytes before, {_size_bytes(path)} bytes now" if path else "done")


def _size_bytes(path: Path) -> int:
    """The size of a SQLite file and its write-ahead log."""
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


db.command()(erase)
db.command("export-subject")(export_subject)
