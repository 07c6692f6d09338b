"""`mien collect`: builds the collector's parts and runs them."""

from pathlib import Path
from typing import Annotated

import typer

SWITCH_INTERVAL_S = 0.001
"""How soon the thread that reads from the MQTT broker may interrupt the one that stores, instead of Python's 5 ms."""
GARBAGE_THRESHOLD = 50_000
"""New objects after which Python searches for cycles, instead of 700: the rows of a commit are some ten thousand, none
of them in a cycle, and to search them again and again was a fifth of the cost of a row (benchmarks/collector.py)."""


def collect(
    config: Annotated[Path | None, typer.Option("--config", help="The collector's TOML file.")] = None,
    database: Annotated[str | None, typer.Option("--db", help="Overrides database in the file.")] = None,
    host: Annotated[str | None, typer.Option(help="Overrides mqtt.host in the file.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Overrides mqtt.port in the file.")] = None,
) -> None:
    """Store observations from MQTT in the emotion log.

    Runs until SIGTERM or Ctrl-C. Each observation is stored once, and acknowledged after it is committed.
    """
    import gc
    import signal
    import sys
    import threading
    from functools import partial

    import msgspec

    from mien.broker.database.engine import open_for_writing
    from mien.broker.database.location import DatabaseLocation
    from mien.broker.ingest.collector import Collector
    from mien.broker.ingest.metrics import Metrics
    from mien.broker.ingest.store import Store
    from mien.broker.predictions.drift import measure_log_drift
    from mien.broker.predictions.drift_gauge import DriftGauge
    from mien.broker.settings import CollectorSettings
    from mien.settings.load import load_settings, to_settings

    settings = load_settings(config, CollectorSettings) if config else CollectorSettings()
    values = msgspec.to_builtins(settings)
    values["database"] = database or settings.database
    values["mqtt"] |= {name: value for name, value in {"host": host, "port": port}.items() if value is not None}
    settings = to_settings(values, CollectorSettings, source=str(config or "options"))
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.freeze()  # what has been imported stays
    gc.set_threshold(GARBAGE_THRESHOLD)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    metrics, location = Metrics(), DatabaseLocation.parse(settings.database)
    if location.path is not None:  # the disk of a PostgreSQL server cannot be seen from here
        metrics.watch_disk(location.path.absolute().parent)
    metrics.registry.register(DriftGauge(partial(measure_log_drift, settings.database)))
    with location.collector_lock(), metrics.serve(settings.metrics_port):
        engine = open_for_writing(settings.database)
        try:
            Collector(settings, store=Store(engine), metrics=metrics).run(stopping)
        finally:
            engine.dispose()
