"""`mien collect`, but it acknowledges before it commits. The harness must find it out.

python careless_collector.py DATABASE PORT
"""

import signal
import sys
import threading
import time
from collections.abc import Sequence

from mien.broker.arrival import Arrival
from mien.broker.collector import Collector
from mien.broker.database import open_for_writing
from mien.broker.metrics import Metrics
from mien.broker.settings import CollectorSettings
from mien.broker.store import Store
from mien.mqtt import Mqtt

BETWEEN_S = 1.0
"""The moment in which a kill does harm, longer than in life."""


class CarelessCollector(Collector):
    def _commit(self, batch: Sequence[Arrival], stopping: threading.Event) -> None:
        self._acknowledge(batch, {arrival.envelope.id: None for arrival in batch if arrival.envelope})
        time.sleep(BETWEEN_S)
        super()._commit(batch, stopping)


def main() -> None:
    database, port = sys.argv[1:]
    settings = CollectorSettings(database=database, mqtt=Mqtt(port=int(port)))
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    CarelessCollector(settings, store=Store(open_for_writing(database)), metrics=Metrics()).run(stopping)


if __name__ == "__main__":
    main()
