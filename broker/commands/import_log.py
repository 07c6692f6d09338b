"""`mien import`: imports exported observations into a log."""

from pathlib import Path
from typing import Annotated

import typer

from mien.errors import DataError

from .options import DatabaseOption


def import_file(
    file: Annotated[
        Path, typer.Argument(help="What `mien query --all` wrote as ndjson, json or csv, also with gzip; - for stdin.")
    ],
    database: DatabaseOption = "mien.db",
) -> None:
    """Import observations that the log does not have yet.

    The log is created if it does not exist; the collector may be running. Observations older than the collector's
    retention_days will be deleted again, but stay in the counts.
    """
    from mien.broker.admin.exported_rows import STDIN, open_export, read_rows
    from mien.broker.admin.import_log import import_rows
    from mien.broker.database.engine import open_for_writing
    from mien.progress import progress_bar

    name = "standard input" if file == STDIN else str(file)
    try:
        with open_export(file, progress_bar) as stream:
            engine = open_for_writing(database)
            result = import_rows(engine, read_rows(stream, name), name)
    except OSError as error:
        raise DataError(f"{name} cannot be read ({error.strerror}): name a file that `mien query` wrote") from error
    engine.dispose()
    erased = f", {result.erased} not stored because they were erased" if result.erased else ""
    typer.echo(f"{result.stored} stored, {result.known} already in the log{erased}")
