"""What the collector counts, for Prometheus."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from mien.errors import ConfigurationError
from mien.observation import Observation

from .arrival import Arrival
from .store import Outcome


class Metrics:
    """All figures of one collector."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry, namespace="mien")
        gauge = partial(Gauge, registry=self.registry, namespace="mien")
        histogram = partial(Histogram, registry=self.registry, namespace="mien")
        self.stored = counter("stored", "New observations and declared losses in the log.")
        self.duplicates = counter("duplicates", "Messages that an earlier commit had decided.")
        self.rejected = counter("rejected", "Messages that can never be stored, by what is wrong.", ["flaw"])
        self.overflow = counter("overflow", "Messages left to be sent again because they came too fast.")
        self.batch_rows = histogram(
            "batch_rows", "Messages in one transaction.", buckets=(1, 3, 10, 30, 100, 300, 1000)
        )
        self.commit_seconds = histogram("commit_seconds", "Time of one transaction.")
        self.lag_seconds = gauge("lag_seconds", "From the newest observation of the last batch to its commit.")
        self.gaps = gauge("gaps", "Numbers that a device has counted and nobody has answered.", ["device"])
        self.online = gauge("online", "1 while online, 0 while the database does not answer.")

    def committed(self, batch: Sequence[Arrival], outcome: Outcome, seconds: float) -> None:
        """Count one transaction."""
        self.stored.inc(outcome.stored)
        self.duplicates.inc(outcome.duplicates)
        for flaw, count in outcome.rejected.items():
            self.rejected.labels(flaw).inc(count)
        self.batch_rows.observe(len(batch))
        self.commit_seconds.observe(seconds)
        made = [one.body.at.timestamp() for one in batch if isinstance(one.body, Observation)]
        if made:
            self.lag_seconds.set(time.time() - max(made))

    @contextmanager
    def served(self, port: int | None) -> Iterator[None]:
        """Offer the figures on a port of the loopback, where nobody else can read them; nowhere without one.

        ConfigurationError if the port is taken.
        """
        if port is None:
            yield
            return
        try:
            server, thread = start_http_server(port, addr="127.0.0.1", registry=self.registry)
        except OSError as error:
            raise ConfigurationError(f"metrics_port {port} is taken ({error.strerror}): set another") from error
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
