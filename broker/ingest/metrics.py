"""The collector's metrics for Prometheus."""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from mien.broker.intake.device_gauges import DeviceGauges
from mien.errors import ConfigurationError
from mien.messages.observation import Observation
from mien.messages.status import CollectorStatus

from .message import IncomingMessage
from .store import Outcome


class Metrics:
    """All metrics of one collector."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry, namespace="mien")
        gauge = partial(Gauge, registry=self.registry, namespace="mien")
        histogram = partial(Histogram, registry=self.registry, namespace="mien")
        self.stored = counter("stored", "New observations and declared losses in the log.")
        self.duplicates = counter("duplicates", "Messages that were already stored or rejected.")
        self.rejected = counter("rejected", "Messages that can never be stored, by reason.", ["reason"])
        self.discarded = counter(
            "discarded_rows", "Rows discarded because their device sends too many; it sends them again.", ["device"]
        )
        self.batch_rows = histogram(
            "batch_rows", "Messages in one transaction.", buckets=(1, 3, 10, 30, 100, 300, 1000)
        )
        self.commit_seconds = histogram("commit_seconds", "Duration of one transaction.")
        self.lag_seconds = gauge("lag_seconds", "From the newest observation of the last batch to its commit.")
        self.gaps = gauge("gaps", "Numbers that a device has counted and that were never acknowledged.", ["device"])
        self.online = gauge("online", "1 while online, 0 while it stores nothing.")
        self.devices = DeviceGauges(self.registry)
        self.busy = gauge("busy", "1 while it stores nothing, by reason: database or clock.", ["reason"])
        self.certificate_expiry = gauge(
            "certificate_expiry_timestamp_seconds",
            "When a certificate expires (Unix time): of the authority, the MQTT broker, this collector.",
            ["certificate"],
        )

    def watch_disk(self, folder: Path) -> None:
        """Show the free space on the disk of a folder, as it is whenever the metrics are read."""
        disk_free = Gauge(
            "disk_free_bytes", "Free space on the disk of the emotion log.", registry=self.registry, namespace="mien"
        )
        disk_free.set_function(lambda: shutil.disk_usage(folder).free)

    def record_expiries(self, expiries: Mapping[str, datetime]) -> None:
        """Show when each certificate expires, by name."""
        for name, expiry in expiries.items():
            self.certificate_expiry.labels(name).set(expiry.timestamp())

    def record_state(self, status: CollectorStatus) -> None:
        """Show the state that the collector publishes."""
        self.online.set(status.state == "online")
        for reason in ("database", "clock"):
            self.busy.labels(reason).set(status.state == "busy" and status.reason == reason)

    def record_commit(self, batch: Sequence[IncomingMessage], outcome: Outcome, duration_s: float) -> None:
        """Count one transaction."""
        self.stored.inc(outcome.stored)
        self.duplicates.inc(outcome.duplicates)
        for reason, count in outcome.rejected.items():
            self.rejected.labels(reason).inc(count)
        self.batch_rows.observe(len(batch))
        self.commit_seconds.observe(duration_s)
        times_s = [message.body.at.timestamp() for message in batch if isinstance(message.body, Observation)]
        if times_s:
            self.lag_seconds.set(time.time() - max(times_s))

    @contextmanager
    def serve(self, port: int | None) -> Iterator[None]:
        """Serve the metrics on a port of the loopback interface, which only this machine can reach; None: not at all.

        ConfigurationError if the port is in use.
        """
        if port is None:
            yield
            return
        try:
            server, thread = start_http_server(port, addr="127.0.0.1", registry=self.registry)
        except OSError as error:
            raise ConfigurationError(
                f"metrics_port {port} is not available ({error.strerror}): set another port"
            ) from error
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
