"""`mien query`: queries the emotion log from a shell."""

import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.errors import UsageError

from .options import DatabaseOption

if TYPE_CHECKING:
    from mien.broker.query import EmotionLog, ObservationRow, Result
    from mien.broker.query.filters import FilterOptions
    from mien.broker.query.tail import Tail


SQL_TABLE_ROWS = 1000
"""A table takes a hundred times the memory of its rows."""
FORMATS = ("table", "csv", "json", "ndjson", "parquet", "arrow")


def query(
    database: DatabaseOption = "mien.db",
    device: Annotated[list[str] | None, typer.Option(help="Only this device; can be repeated.")] = None,
    emotion: Annotated[list[str] | None, typer.Option(help="Only this emotion; can be repeated.")] = None,
    min_confidence: Annotated[
        float,
        typer.Option("--min-confidence", min=0.0, max=1.0, help="Only observations with at least this confidence."),
    ] = 0.0,
    capture: Annotated[str | None, typer.Option(help="Only this capture, by its id.")] = None,
    model: Annotated[str | None, typer.Option(help="Only this model, named as in emotion_log.")] = None,
    since: Annotated[str | None, typer.Option(help="Only the last 90s, 15m, 24h, 7d or 2w.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="From this time on: 2026-11-22 or 2026-11-22T14:30.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Up to, but not including, this time.")] = None,
    by: Annotated[
        str | None,
        typer.Option(help="Count by minute, hour, day, weekday, emotion, device, model, or several: hour,emotion."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="List at most this many, the newest; 100 by default.")
    ] = None,
    list_all: Annotated[bool, typer.Option("--all", help="List all, oldest first.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="List new observations as they are stored, until Ctrl-C.")
    ] = False,
    sql: Annotated[str | None, typer.Option(help="Run your own SELECT instead.")] = None,
    uncertain: Annotated[
        bool,
        typer.Option(help="In a table, show predictions below their model's confidence threshold as uncertain."),
    ] = True,
    threshold: Annotated[
        list[str] | None,
        typer.Option(help="Another model's threshold, such as 0123456789ab=0.65; can be repeated."),
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="Such as Europe/Berlin; by default this machine's.")] = None,
    output_format: Annotated[
        str, typer.Option("--format", help="table, csv, json, ndjson (one object per line), parquet or arrow.")
    ] = "table",
    as_csv: Annotated[bool, typer.Option("--csv", help="Same as --format csv.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print on stderr what the result was computed from.")
    ] = False,
    timeout_s: Annotated[
        float, typer.Option("--timeout-s", min=0.1, help="Stop queries that take longer, in seconds.")
    ] = 30.0,
) -> None:
    """List observations, or count them by time, emotion, device and model."""
    from mien.broker.predictions.uncertainty import parse_thresholds
    from mien.broker.query import EmotionLog
    from mien.broker.query.memory_limit import limited_memory

    output_format = _choose_format(output_format, as_csv=as_csv, as_json=as_json)
    _check_exclusive({"--by": by, "--limit": limit, "--all": list_all, "--follow": follow, "--sql": sql})
    if follow and output_format not in ("table", "ndjson"):
        raise UsageError(f"--follow never ends, so it cannot write {output_format}: use --format ndjson")
    options: FilterOptions = {
        "devices": device,
        "emotions": emotion,
        "since": since,
        "start": start,
        "end": end,
        "min_confidence": min_confidence,
        "capture": capture,
        "model": model,
    }
    thresholds = parse_thresholds(threshold or ())
    with (
        EmotionLog(database, zone=timezone, timeout_s=timeout_s, thresholds=thresholds) as log,
        limited_memory() if sql else nullcontext(),
    ):
        shown_emotion = log.shown_emotion if uncertain else None
        if follow:
            _print_new(log.tail(**options), output_format, shown_emotion)  # until Ctrl-C
            return
        pages, source = _run_query(log, options, by=by, limit=limit, list_all=list_all, sql=sql)
        if explain:
            typer.echo(f"source: {source}", err=True)
        if output_format == "table":
            _print_table(pages, is_listing=not (by or sql), is_sql=sql is not None, shown_emotion=shown_emotion)
        else:
            from mien.broker.query.export import export_pages

            export_pages(pages, output_format)
    if output_format == "table" and sql is None:
        typer.echo(f"times are in {timezone or 'the time zone of this machine'}", err=True)


def _run_query(
    log: "EmotionLog",
    options: "FilterOptions",
    *,
    by: str | None,
    limit: int | None,
    list_all: bool,
    sql: str | None,
) -> "tuple[Iterable[Result[Any]], str]":
    """The result in pages, and what it was computed from."""
    from mien.progress import with_progress_bar

    if list_all:
        count = log.observation_count(**options)
        return with_progress_bar(log.observation_pages(**options), "exporting", count), "rows"
    result: Result[Any]
    if sql is not None:
        result = log.sql(sql)
    elif by is not None:
        result = log.counts(by, **options)
    else:
        result = log.observations(limit=limit or 100, **options)
    return [result], result.source


def _print_table(
    pages: "Iterable[Result[Any]]",
    *,
    is_listing: bool,
    is_sql: bool,
    shown_emotion: "Callable[[ObservationRow], str] | None",
) -> None:
    from mien.broker.database.columns import SHORT_TABLE
    from mien.broker.query.aggregate import MINUTE_COLUMNS
    from mien.broker.query.observations import NO_OBSERVATIONS, OBSERVATION_NOTE
    from mien.output import print_table

    if is_listing:
        rows = [_to_table_row(row, shown_emotion) for page in pages for row in page]
    else:
        rows = [row for page in pages for row in page.to_dicts()]
    if is_sql and len(rows) > SQL_TABLE_ROWS:
        typer.echo(f"the first {SQL_TABLE_ROWS} of {len(rows)} rows: add --csv for all", err=True)
        del rows[SQL_TABLE_ROWS:]
    print_table(
        rows,
        columns=SHORT_TABLE if is_listing else (),
        minute_columns=MINUTE_COLUMNS,
        note="" if is_sql else OBSERVATION_NOTE,
        empty=NO_OBSERVATIONS,
    )


def _to_table_row(
    row: "ObservationRow", shown_emotion: "Callable[[ObservationRow], str] | None"
) -> "dict[str, object]":
    shown = {} if shown_emotion is None else {"emotion": shown_emotion(row)}
    return row.to_dict() | shown


def _print_new(tail: "Tail", output_format: str, shown_emotion: "Callable[[ObservationRow], str] | None") -> None:
    from mien.broker.database.columns import SHORT_TABLE
    from mien.output import print_line, print_ndjson

    for observations in tail:
        if output_format == "ndjson":
            print_ndjson(observations.to_dicts())
        else:
            for row in observations:
                print_line(_to_table_row(row, shown_emotion), columns=SHORT_TABLE)
        sys.stdout.flush()


def _check_exclusive(options: dict[str, object]) -> None:
    used = [name for name, value in options.items() if value not in (None, False)]
    if len(used) > 1:
        raise UsageError(f"{' and '.join(used)} exclude each other: use only one of them")


def _choose_format(output_format: str, *, as_csv: bool, as_json: bool) -> str:
    if output_format not in FORMATS:
        raise UsageError(f"unknown format {output_format!r}: choose from {', '.join(FORMATS)}")
    options = [("csv", as_csv), ("json", as_json), (output_format, output_format != "table")]
    chosen = {name for name, is_set in options if is_set}
    if len(chosen) > 1:
        raise UsageError("--csv, --json and --format exclude each other: use only one of them")
    return next(iter(chosen), "table")
