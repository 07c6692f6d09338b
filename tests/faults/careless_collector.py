"""`mien collect`, but it acknowledges before it commits, a mistake that the harness must detect.

python careless_collector.py DATABASE PORT
"""

import signal
import sys
import threading
import time
from collections.abc import Sequence

from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.collector import Collector
from mien.broker.ingest.message import IncomingMessage
from mien.broker.ingest.metrics import Metrics
from mien.broker.ingest.store import Store
from mien.broker.settings import CollectorSettings
from mien.mqtt.settings import MqttSettings

COMMIT_DELAY_S = 1.0
"""The window in which a kill loses data, wider than in practice."""


class CarelessCollector(Collector):
    def _commit(self, batch: Sequence[IncomingMessage], stopping: threading.Event) -> None:
        self._acknowledge(batch, {message.key: None for message in batch if message.key})
        time.sleep(COMMIT_DELAY_S)
        super()._commit(batch, stopping)


def main() -> None:
    database, port = sys.argv[1:]
    settings = CollectorSettings(database=database, mqtt=MqttSettings(port=int(port)))
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    CarelessCollector(settings, store=Store(open_for_writing(database)), metrics=Metrics()).run(stopping)


if __name__ == "__main__":
    main()
