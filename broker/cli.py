"""The broker's verbs: collect, query, demo. The only place where its parts are put together."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mien.errors import UsageError

from .db_command import DatabaseOption, db
from .rejected_command import rejected

app = typer.Typer()
app.add_typer(db, name="db")
app.add_typer(rejected, name="rejected")


@app.command()
def collect(
    config: Annotated[Path | None, typer.Option("--config", help="The collector's TOML file.")] = None,
    database: Annotated[str | None, typer.Option("--db", help="Instead of database in the file.")] = None,
    host: Annotated[str | None, typer.Option(help="Instead of mqtt.host in the file.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of mqtt.port in the file.")] = None,
) -> None:
    """Store observations from MQTT in the emotion log.

    Runs until SIGTERM or Ctrl-C. Each observation is acknowledged after it is committed, and stored once.
    """
    import signal
    import threading

    import msgspec

    from mien.configuration import load

    from .collector import Collector
    from .database import Place, open_for_writing
    from .metrics import Metrics
    from .settings import CollectorSettings
    from .store import Store

    settings = load(config, CollectorSettings) if config else CollectorSettings()
    given = {"host": host, "port": port}
    mqtt = msgspec.structs.replace(settings.mqtt, **{key: value for key, value in given.items() if value is not None})
    settings = msgspec.structs.replace(settings, mqtt=mqtt, database=database or settings.database)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    metrics = Metrics()
    with Place.of(settings.database).only_collector(), metrics.served(settings.metrics_port):
        engine = open_for_writing(settings.database)
        try:
            Collector(settings, store=Store(engine), metrics=metrics).run(stopping)
        finally:
            engine.dispose()


@app.command()
def query(
    database: DatabaseOption = "mien.db",
    device: Annotated[list[str] | None, typer.Option(help="Only this device; may be repeated.")] = None,
    emotion: Annotated[list[str] | None, typer.Option(help="Only this emotion; may be repeated.")] = None,
    since: Annotated[str | None, typer.Option(help="Only the last 90s, 15m, 24h, 7d or 2w.")] = None,
    begin: Annotated[
        str | None, typer.Option("--from", help="From this time on: 2026-11-22 or 2026-11-22T14:30.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Up to, but not with, this time.")] = None,
    by: Annotated[str | None, typer.Option(help="Count by day, hour, device, emotion, or some: hour,emotion.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="List the newest so many.")] = 100,
    timezone: Annotated[
        str | None, typer.Option(help="Such as Europe/Berlin; this machine's own unless given.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List observations, or count them by time and emotion."""
    from datetime import UTC, datetime

    from rich.console import Console

    from mien.emotions import EMOTIONS

    from .answer import print_csv, print_json, print_table
    from .database import open_for_reading
    from .query import (
        Question,
        count_observations,
        list_observations,
        parse_groups,
        parse_moment,
        parse_since,
        parse_zone,
    )

    if since is not None and begin is not None:
        raise UsageError("--since and --from both say where to begin: give one of them")
    if as_csv and as_json:
        raise UsageError("--csv and --json exclude each other: give one of them")
    for name in emotion or []:
        if name not in EMOTIONS:
            raise UsageError(f"there is no emotion {name!r}: choose from {', '.join(EMOTIONS)}")
    zone = parse_zone(timezone)
    now = datetime.now(UTC)

    def moment_of(text: str | None) -> datetime | None:
        return None if text is None else parse_moment(text, zone)

    question = Question(
        devices=device or (),
        emotions=emotion or (),
        begin=parse_since(since, now) if since is not None else moment_of(begin),
        end=moment_of(end),
    )
    engine = open_for_reading(database)
    if by is not None:
        rows = count_observations(engine, question, by=parse_groups(by), zone=zone)
    else:
        rows = list_observations(engine, question, limit=limit, zone=zone)
    if as_csv:
        print_csv(rows)
    elif as_json:
        print_json(rows)
    else:
        # Rich takes 80 columns where there is no terminal, and would shorten what a pipe has room for.
        print_table(rows, Console() if sys.stdout.isatty() else Console(width=200))


@app.command()
def demo(
    source: Annotated[
        str | None,
        typer.Option(help="A video, a picture or a folder; 0 for the first webcam. A portrait unless given."),
    ] = None,
    seconds: Annotated[float | None, typer.Option(min=1, help="End after so many seconds.")] = None,
    database: Annotated[Path | None, typer.Option("--db", help="Keep the emotion log in this file.")] = None,
) -> None:
    """Try the whole path on this machine, shown live.

    An MQTT broker, the real agent on a scripted motion sensor, the real collector and its database. Ends with the
    source, after --seconds, or with Ctrl-C; the portrait ends after 40 seconds.
    """
    from rich.console import Console

    from .demo import run_demo

    run_demo(source=source, seconds=seconds, database=database, console=Console())
