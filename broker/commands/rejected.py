"""The commands `mien rejected list|replay|purge`."""

from typing import Annotated

import typer

from .options import DatabaseOption

rejected = typer.Typer(help="Manage messages that could not be stored: list, replay, purge.", no_args_is_help=True)


@rejected.command("list")
def list_messages(
    database: DatabaseOption = "mien.db",
    limit: Annotated[int, typer.Option(min=1, help="At most this many, the newest.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the newest rejected messages and why they were rejected."""
    from mien.broker.admin.rejected import list_rejected
    from mien.broker.database.engine import open_for_reading
    from mien.output import print_json, print_table

    rows = list_rejected(open_for_reading(database), limit=limit)
    if as_json:
        print_json(rows)
    else:
        print_table(rows, empty="no rejected messages")


@rejected.command()
def replay(database: DatabaseOption = "mien.db") -> None:
    """Decode rejected messages again and store those that are now valid.

    Use it after an upgrade, since a newer release may accept what an older one rejected, or after the server's clock
    was set: times are judged by the present. What was erased stays out.
    """
    import time

    from mien.broker.admin.rejected import replay_rejected
    from mien.broker.database.engine import open_for_writing
    from mien.progress import progress_bar

    now_ms = time.time_ns() // 1_000_000
    result = replay_rejected(open_for_writing(database, create=False), now_ms=now_ms, progress=progress_bar)
    typer.echo(f"{result.stored} stored, {result.still_rejected} still rejected")


@rejected.command()
def purge(database: DatabaseOption = "mien.db") -> None:
    """Delete payloads of rejected messages; ids and reasons stay."""
    from mien.broker.admin.rejected import purge_rejected
    from mien.broker.database.engine import open_for_writing
    from mien.progress import progress_bar

    typer.echo(f"{purge_rejected(open_for_writing(database, create=False), progress_bar)} payloads deleted")
