"""The verbs `mien rejected list|replay|purge`."""

from typing import Annotated

import typer

from .db_command import DatabaseOption

rejected = typer.Typer(help="What could not be stored: list, try again, clear.", no_args_is_help=True)


@rejected.command("list")
def list_them(
    database: DatabaseOption = "mien.db",
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the newest rejected messages with their reasons."""
    from rich.console import Console

    from .answer import print_json, print_table
    from .database import open_for_reading
    from .rejected import list_rejected

    rows = list_rejected(open_for_reading(database), limit=limit)
    if as_json:
        print_json(rows)
    else:
        print_table(rows, Console(), empty="nothing was rejected", note="")


@rejected.command()
def replay(database: DatabaseOption = "mien.db") -> None:
    """Decode rejected messages anew and store what is good now.

    For the time after an upgrade: a release that understands more takes what an earlier one rejected.
    """
    from .database import open_for_writing
    from .progress import progress
    from .rejected import replay as replay_all

    done = replay_all(open_for_writing(database, make=False), progress)
    typer.echo(f"{done.stored} stored, {done.still_rejected} still rejected")


@rejected.command()
def purge(database: DatabaseOption = "mien.db") -> None:
    """Clear the payloads of rejected messages; ids and reasons stay."""
    from .database import open_for_writing
    from .progress import progress
    from .rejected import purge as purge_all

    typer.echo(f"{purge_all(open_for_writing(database, make=False), progress)} payloads cleared")
