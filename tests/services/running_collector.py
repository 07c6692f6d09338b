"""A collector that runs in a thread of the test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.collector import Collector
from mien.broker.ingest.metrics import Metrics
from mien.broker.ingest.store import Store
from mien.broker.intake.fair_queue import MAX_WAITING_BYTES
from mien.broker.settings import CollectorSettings
from mien.broker.timekeeping.server_clock import ServerClock
from mien.mqtt.timings import ConnectionTimings

BATCH_S = 0.05
TIMINGS = ConnectionTimings(first_retry_s=0.1)


@contextmanager
def running_collector(
    settings: CollectorSettings,
    metrics: Metrics | None = None,
    server_clock: ServerClock | None = None,
    max_waiting_bytes: int = MAX_WAITING_BYTES,
) -> Iterator[None]:
    """Collect into the settings' database while the block runs, in short batches; by default by a trusted clock."""
    engine = open_for_writing(settings.database)
    stopping = threading.Event()
    collector = Collector(
        settings,
        store=Store(engine),
        metrics=metrics or Metrics(),
        server_clock=server_clock or ServerClock("trusted"),
        batch_s=BATCH_S,
        max_waiting_bytes=max_waiting_bytes,
        timings=TIMINGS,
    )
    thread = threading.Thread(target=collector.run, args=[stopping])
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
        engine.dispose()
