"""The broker's verbs: collect, query, dashboard, import, demo. The only place where its parts are put together."""

from pathlib import Path
from typing import Annotated

import typer

from .dashboard_command import dashboard
from .db_command import db
from .import_command import import_file
from .query_command import query
from .rejected_command import rejected

app = typer.Typer()
app.command()(query)
app.command()(dashboard)
app.command("import")(import_file)
app.add_typer(db, name="db")
app.add_typer(rejected, name="rejected")


@app.command()
def collect(
    config: Annotated[Path | None, typer.Option("--config", help="The collector's TOML file.")] = None,
    database: Annotated[str | None, typer.Option("--db", help="Instead of database in the file.")] = None,
    host: Annotated[str | None, typer.Option(help="Instead of mqtt.host in the file.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Instead of mqtt.port in the file.")] = None,
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
