"""`mien query`: the emotion log from a shell."""

import sys
from typing import Annotated

import typer

from mien.errors import UsageError

from .db_command import DatabaseOption

FORMATS = ("table", "csv", "json", "ndjson")


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
    limit: Annotated[int, typer.Option(min=1, help="List the newest so many.")] = 100,
    timezone: Annotated[
        str | None, typer.Option(help="Such as Europe/Berlin; this machine's own unless given.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="table, csv, json, or ndjson: a line for each.")] = "table",
    as_csv: Annotated[bool, typer.Option("--csv", help="The same as --format csv.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say on stderr where the answer is from.")] = False,
) -> None:
    """List observations, or count them by time, emotion, device and model."""
    from datetime import UTC, datetime

    from rich.console import Console

    from .answer import print_csv, print_json, print_ndjson, print_table
    from .counting import count_observations
    from .database import open_for_reading
    from .listing import list_observations
    from .question import (
        Question,
        parse_capture,
        parse_emotions,
        parse_groups,
        parse_moment,
        parse_since,
        parse_zone,
    )

    if since is not None and begin is not None:
        raise UsageError("--since and --from both say where to begin: give one of them")
    form = _one_form(form, as_csv=as_csv, as_json=as_json)
    zone = parse_zone(timezone)
    now = datetime.now(UTC)

    def moment_of(text: str | None) -> datetime | None:
        return None if text is None else parse_moment(text, zone)

    question = Question(
        devices=device or (),
        emotions=parse_emotions(emotion or ()),
        begin=parse_since(since, now) if since is not None else moment_of(begin),
        end=moment_of(end),
        least_confidence=least_confidence,
        capture=None if capture is None else parse_capture(capture),
        model=model,
    )
    groups = None if by is None else parse_groups(by)
    engine = open_for_reading(database)
    if groups is not None:
        counts = count_observations(engine, question, by=groups, zone=zone)
        rows, source = counts.rows, counts.source
    else:
        rows, source = list_observations(engine, question, limit=limit, zone=zone), "the rows"
    if explain:
        typer.echo(f"answered from {source}", err=True)
    if form == "table":
        # Rich takes 80 columns where there is no terminal, and would shorten what a pipe has room for.
        print_table(rows, Console() if sys.stdout.isatty() else Console(width=200))
        if rows:
            typer.echo(f"times are those of {timezone or 'this machine'}", err=True)
    else:
        {"csv": print_csv, "json": print_json, "ndjson": print_ndjson}[form](rows)


def _one_form(form: str, *, as_csv: bool, as_json: bool) -> str:
    if form not in FORMATS:
        raise UsageError(f"there is no format {form!r}: choose from {', '.join(FORMATS)}")
    chosen = [("csv", as_csv), ("json", as_json), (form, form != "table")]
    wanted = {name for name, given in chosen if given}
    if len(wanted) > 1:
        raise UsageError("--csv, --json and --format exclude each other: give one of them")
    return next(iter(wanted), "table")
