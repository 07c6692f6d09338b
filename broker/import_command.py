"""`mien import`: an exported log, or a part of one, back into a log."""

from pathlib import Path
from typing import Annotated

import typer

from mien.errors import DataError

from .db_command import DatabaseOption


def import_file(
    file: Annotated[Path, typer.Argument(help="What `mien query --all --format ndjson` gave.")],
    database: DatabaseOption = "mien.db",
) -> None:
    """Store the observations of a file that the log does not have yet.

    The log is made if there is none; the collector may run. What is older than the collector's retention_days is
    deleted again when it next looks, and stays in the counts.
    """
    from .database import open_for_writing
    from .importing import import_lines
    from .progress import progress

    try:
        with file.open("rb") as lines, progress("importing", total=file.stat().st_size) as advance:
            engine = open_for_writing(database)
            done = import_lines(engine, lines, str(file), advance)
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}): name a file that `mien query` wrote") from error
    engine.dispose()
    typer.echo(f"{done.stored} stored, {done.known} known already")
