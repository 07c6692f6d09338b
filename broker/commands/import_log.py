"""`mien import`: imports exported observations into a log."""

from pathlib import Path
from typing import Annotated

import typer

from mien.errors import DataError

from .options import DatabaseOption


def import_file(
    file: Annotated[Path, typer.Argument(help="A file written by `mien query --all --format ndjson`.")],
    database: DatabaseOption = "mien.db",
) -> None:
    """Import observations that the log does not have yet.

    The log is created if it does not exist; the collector may be running. Observations older than the collector's
    retention_days will be deleted again, but stay in the counts.
    """
    from mien.broker.admin.import_log import import_lines
    from mien.broker.database.engine import open_for_writing
    from mien.progress import progress_bar

    try:
        with file.open("rb") as lines, progress_bar("importing", total=file.stat().st_size) as advance:
            engine = open_for_writing(database)
            result = import_lines(engine, lines, str(file), advance)
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror}): name a file that `mien query` wrote") from error
    engine.dispose()
    erased = f", {result.erased} not stored because they were erased" if result.erased else ""
    typer.echo(f"{result.stored} stored, {result.known} already in the log{erased}")
