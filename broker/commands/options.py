"""Options that several of the server's commands share."""

from typing import Annotated

import typer

DatabaseOption = Annotated[
    str, typer.Option("--db", help="The emotion log: a SQLite file or postgresql://HOST/DATABASE.")
]
