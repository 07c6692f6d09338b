"""Each device's drift for Prometheus, measured when it is read, but at most once in a quarter of an hour."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from mien.errors import MienError

from .drift import DriftRow

MEASURE_S = 15 * 60.0
"""Between two measurements: counts are those of whole quarters of an hour."""

log = logging.getLogger(__name__)


class DriftGauge(Collector):
    """`mien_device_drift`: the population stability index, of devices with enough observations to tell.

    It is measured in the thread that serves the metrics, so that no observation waits for it.
    """

    def __init__(
        self, measure: Callable[[], Sequence[DriftRow]], *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        """`measure` is `measure_drift` of a log; while it fails, nothing is shown, and the failure is logged."""
        self._measure = measure
        self._monotonic_s = monotonic_s
        self._lock = threading.Lock()
        self._next_s = float("-inf")
        self._rows: Sequence[DriftRow] = ()

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """The metric without values: to register it measures nothing."""
        return [self._family()]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The metric with the values of the last measurement."""
        with self._lock:
            if self._monotonic_s() >= self._next_s:
                self._rows = self._try_to_measure()
                self._next_s = self._monotonic_s() + MEASURE_S
            rows = self._rows
        family = self._family()
        for row in rows:
            if row.stability_index is not None:
                family.add_metric([row.device], row.stability_index)
        return [family]

    def _try_to_measure(self) -> Sequence[DriftRow]:
        try:
            return self._measure()
        except MienError as error:
            log.warning("the drift of the devices cannot be measured: %s", error)
            return ()

    def _family(self) -> GaugeMetricFamily:
        return GaugeMetricFamily(
            "mien_device_drift",
            "Population stability index of a device's predictions of the last day against the 14 days before.",
            labels=["device"],
        )
