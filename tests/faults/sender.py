"""A device without a camera: the real outbox and the real uplink, and observations made up at a steady rate.

python sender.py DEVICE OUTBOX PORT ROWS_A_SECOND CAP_ROWS [careless]
"""

import random
import signal
import sys
import threading
from pathlib import Path
from uuid import UUID

from samples import make_observation

from mien.edge.clock import Clock
from mien.edge.outbox import Cap, Outbox
from mien.edge.uplink import Uplink
from mien.errors import DatabaseError
from mien.mqtt import Mqtt
from mien.observation import Observation

SPOILT_SHARE = 0.01
"""Of the observations are such as a collector rejects."""


class CarelessUplink(Uplink):
    """Deletes a row as soon as it is published, as if the broker could be trusted. The harness must find it out."""

    def _send(self) -> None:
        super()._send()
        self._outbox.stored(list(self._published))


def main() -> None:
    device, path, port, rows_a_second, cap_rows, *careless = sys.argv[1:]
    clock = Clock("trusted")
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())

    def build(outbox: UUID, seq: int) -> Observation:
        moment = clock.moment()
        frames = 0 if random.random() < SPOILT_SHARE else 3
        return make_observation(outbox, seq, device=device, at=moment.at, frames=frames)

    kind = CarelessUplink if careless else Uplink
    with (
        Outbox(Path(path), device=device, cap=Cap(rows=int(cap_rows))) as outbox,
        kind(Mqtt(port=int(port)), device=device, model_id="0123456789ab", outbox=outbox, clock=clock) as uplink,
    ):
        while not stopping.wait(random.expovariate(float(rows_a_second))):
            try:
                outbox.append(build, clock.moment())
            except DatabaseError as error:
                print(error, file=sys.stderr)
        uplink.drain(5.0)


if __name__ == "__main__":
    main()
