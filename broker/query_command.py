"""`mien query`: the emotion log from a shell."""

import sys
from collections.abc import Iterator
from datetime import tzinfo
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.errors import UsageError

from .db_command import DatabaseOption

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from .question import Question

FORMATS = ("table", "csv", "json", "ndjson", "parquet", "arrow")
SHOWN = ("at", "device", "emotion", "confidence", "track", "frames")
"""What fits a table on a terminal."""


def query(
    database: DatabaseOption = "mien.db",
    device: Annotated[list[str] | None, typer.Option(help="Only this device; may be repeated.")] = None,
    emotion: Annotated[list[str] | None, typer.Option(help="Only this emotion; may be repeated.")] = None,
    least_confidence: Annotated[
        float, typer.Option("--confidence", min=0.0, max=1.0, help="Only observations at least so sure.")
    ] = 0.0,
    capture: Annotated[str | None, typer.Option(help="Only this wake of a device, by its id.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model, by the column model of emotion_log.")] = None,
    since: Annotated[str | None, typer.Option(help="Only the last 90s, 15m, 24h, 7d or 2w.")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="From this time on: 2026-11-22 or 2026-11-22T14:30.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Up to, but not with, this time.")] = None,
    by: Annotated[
        str | None,
        typer.Option(help="Count by minute, hour, day, weekday, emotion, device, model, or some: hour,emotion."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="List the newest so many; 100 unless given.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="List all, the oldest first.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="List new ones as they are stored, until Ctrl-C.")] = False,
    sql: Annotated[str | None, typer.Option(help="Answer one SELECT of your own instead.")] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Such as Europe/Berlin; this machine's own unless given.")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", help="table; csv, json, ndjson: a line for each; parquet, arrow: to a file.")
    ] = "table",
    as_csv: Annotated[bool, typer.Option("--csv", help="The same as --format csv.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say on stderr where the answer is from.")] = False,
    limit_s: Annotated[
        float, typer.Option("--limit-s", min=0.1, help="Stop what takes more seconds than this.")
    ] = 30.0,
) -> None:
    """List observations, or count them by time, emotion, device and model."""
    from .answer import NOTE
    from .database import open_for_reading
    from .question import ask, parse_groups, parse_zone

    form = _one_form(form, as_csv=as_csv, as_json=as_json)
    _one_kind({"--by": by, "--limit": limit, "--all": everything, "--follow": follow, "--sql": sql})
    zone = parse_zone(timezone)
    question = ask(
        zone,
        devices=device,
        emotions=emotion,
        since=since,
        begin=begin,
        end=end,
        least_confidence=least_confidence,
        capture=capture,
        model=model,
    )
    groups = None if by is None else parse_groups(by)
    engine = open_for_reading(database, limit_s=limit_s)
    if follow:
        _follow(engine, question, zone, form)
        return
    pages, source = _answer(engine, question, zone, groups=groups, limit=limit, everything=everything, sql=sql)
    if explain:
        typer.echo(f"answered from {source}", err=True)
    if form == "table":
        _table([row for page in pages for row in page], listed=not (groups or sql), note="" if sql else NOTE)
        if not sql:
            typer.echo(f"times are those of {timezone or 'this machine'}", err=True)
    else:
        from .export import export

        export(pages, form, zone, _columns(groups, sql))


def _answer(
    engine: "Engine",
    question: "Question",
    zone: tzinfo | None,
    *,
    groups: list[str] | None,
    limit: int | None,
    everything: bool,
    sql: str | None,
) -> tuple[Iterator[list[dict[str, Any]]], str]:
    """Pages of rows, and where they are from."""
    from .counting import count_observations
    from .listing import each_page, how_many, list_observations
    from .progress import counted
    from .sql import run_sql

    if sql is not None:
        return iter([run_sql(engine, sql)]), "your SQL"
    if groups is not None:
        counts = count_observations(engine, question, by=groups, zone=zone)
        return iter([counts.rows]), counts.source
    if everything:
        return counted(each_page(engine, question, zone=zone), "exporting", how_many(engine, question)), "the rows"
    return iter([list_observations(engine, question, limit=limit or 100, zone=zone)]), "the rows"


def _columns(groups: list[str] | None, sql: str | None) -> dict[str, type]:
    """The answer's columns as far as they are known without rows: one's own SELECT tells them by its rows alone."""
    from .counting import columns_of
    from .listing import COLUMNS

    if sql is not None:
        return {}
    return COLUMNS if groups is None else columns_of(groups)


def _table(rows: list[dict[str, Any]], *, listed: bool, note: str) -> None:
    from rich.console import Console

    from .answer import print_table

    # Rich takes 80 columns where there is no terminal, and would shorten what a pipe has room for.
    console = Console() if sys.stdout.isatty() else Console(width=200)
    shown = [{name: row[name] for name in SHOWN} for row in rows] if listed else rows
    print_table(shown, console, note=note)


def _follow(engine: "Engine", question: "Question", zone: tzinfo | None, form: str) -> None:
    from .answer import print_line, print_ndjson
    from .following import Follower

    if form not in ("table", "ndjson"):
        raise UsageError(f"--follow has no end, {form} has one: write --format ndjson, a line for each")
    for rows in Follower(engine, question, zone=zone).each():
        if form == "ndjson":
            print_ndjson(rows)
        else:
            for row in rows:
                print_line({name: row[name] for name in SHOWN})
        sys.stdout.flush()


def _one_kind(given: dict[str, object]) -> None:
    chosen = [name for name, value in given.items() if value not in (None, False)]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} are different questions: give one of them")


def _one_form(form: str, *, as_csv: bool, as_json: bool) -> str:
    if form not in FORMATS:
        raise UsageError(f"there is no format {form!r}: choose from {', '.join(FORMATS)}")
    chosen = [("csv", as_csv), ("json", as_json), (form, form != "table")]
    wanted = {name for name, given in chosen if given}
    if len(wanted) > 1:
        raise UsageError("--csv, --json and --format exclude each other: give one of them")
    return next(iter(wanted), "table")
