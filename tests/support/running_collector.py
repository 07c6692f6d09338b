"""A collector that runs in a thread of the test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.collector import Collector
from mien.broker.ingest.metrics import Metrics
from mien.broker.ingest.store import Store
from mien.broker.settings import CollectorSettings
from mien.mqtt.timings import ConnectionTimings

BATCH_S = 0.05
TIMINGS = ConnectionTimings(first_retry_s=0.1)


@contextmanager
def running_collector(settings: CollectorSettings, metrics: Metrics | None = None) -> Iterator[None]:
    """Collect into the settings' database while the block runs, in short batches."""
    engine = open_for_writing(settings.database)
    stopping = threading.Event()
    collector = Collector(settings, store=Store(engine), metrics=metrics or Metrics(), batch_s=BATCH_S, timings=TIMINGS)
    thread = threading.Thread(target=collector.run, args=[stopping])
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
        engine.dispose()
