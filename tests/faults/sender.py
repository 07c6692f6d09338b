"""A device without a camera: the real outbox and publisher, with synthetic observations of the last hours, in bursts.

python sender.py DEVICE OUTBOX PORT ROWS_PER_S MAX_ROWS [careless]
"""

import random
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path

from samples import make_draft

from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox, OutboxLimits
from mien.edge.delivery.publisher import Publisher
from mien.errors import DatabaseError
from mien.mqtt.settings import MqttSettings

INVALID_SHARE = 0.01
"""Share of the observations that a collector must reject."""
DRAIN_S = 5.0
MAX_AGE_H = 12.0
"""Observations are spread over so much of the past, so that one can erase some of them and not all."""
MAX_BURST_ROWS = 40
BURST_SHARE = 0.05
"""Of the moments at which it observes something; at the others it is one row."""


class CarelessPublisher(Publisher):
    """Deletes each row as soon as it is published, a mistake that the harness must detect."""

    def _publish_observations(self, now_s: float) -> None:
        super()._publish_observations(now_s)
        self._outbox.delete_stored(self._rows.in_flight.sequences())


def main() -> None:
    device, path, port, rows_per_s, max_rows, *careless = sys.argv[1:]
    clock = Clock("trusted")
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())

    publisher_type = CarelessPublisher if careless else Publisher
    with (
        Outbox(Path(path), device=device, limits=OutboxLimits(max_rows=int(max_rows))) as outbox,
        publisher_type(
            MqttSettings(port=int(port)), device=device, model_id="0123456789ab", outbox=outbox, clock=clock
        ) as publisher,
    ):
        mean_rows = 1 + BURST_SHARE * (MAX_BURST_ROWS - 1) / 2
        while not stopping.wait(random.expovariate(float(rows_per_s) / mean_rows)):
            timestamp = clock.now()
            for _ in range(random.randint(1, MAX_BURST_ROWS) if random.random() < BURST_SHARE else 1):
                at = timestamp.at - timedelta(milliseconds=random.randrange(round(MAX_AGE_H * 3_600_000)))
                frames = 0 if random.random() < INVALID_SHARE else 3
                try:
                    outbox.append(make_draft(device=device, at=at, frames=frames), timestamp)
                except DatabaseError as error:
                    print(error, file=sys.stderr)
        publisher.drain(DRAIN_S)


if __name__ == "__main__":
    main()
