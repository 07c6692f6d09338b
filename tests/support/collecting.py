"""A collector that runs in a thread of the test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mien.broker.collector import Collector
from mien.broker.database import open_for_writing
from mien.broker.metrics import Metrics
from mien.broker.settings import CollectorSettings
from mien.broker.store import Store


@contextmanager
def collecting(settings: CollectorSettings, metrics: Metrics | None = None) -> Iterator[None]:
    """Collect into the settings' database while the block runs."""
    engine = open_for_writing(settings.database)
    stopping = threading.Event()
    thread = threading.Thread(
        target=Collector(settings, store=Store(engine), metrics=metrics or Metrics()).run, args=[stopping]
    )
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
        engine.dispose()
