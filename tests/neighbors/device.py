"""A device with the outbox and publisher of whichever release is on the path: python device.py DEVICE OUTBOX PORT
BACKLOG LIVE MAX_ROWS DRAIN_S.

Writes BACKLOG rows before it connects and LIVE rows after that, one at a time; the last of each is invalid. Prints the
id of each row, then the number of rows that still wait after at most DRAIN_S.
"""

import sys
import time
from datetime import timedelta
from pathlib import Path

from samples import make_draft

from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox, OutboxLimits
from mien.edge.delivery.publisher import Publisher
from mien.mqtt.settings import MqttSettings

LIVE_INTERVAL_S = 0.05


def append_row(outbox: Outbox, clock: Clock, device: str, *, is_valid: bool) -> None:
    timestamp = clock.now()
    draft = make_draft(device=device, at=timestamp.at - timedelta(seconds=1), frames=3 if is_valid else 0)
    print(outbox.append(draft, timestamp).id, flush=True)


def main() -> None:
    device, path, port, backlog, live, max_rows, drain_s = sys.argv[1:]
    clock = Clock("trusted")
    with Outbox(Path(path), device=device, limits=OutboxLimits(max_rows=int(max_rows))) as outbox:
        for number in range(1, int(backlog) + 1):
            append_row(outbox, clock, device, is_valid=number < int(backlog))
        settings = MqttSettings(port=int(port))
        with Publisher(settings, device=device, model_id="0123456789ab", outbox=outbox, clock=clock) as publisher:
            for number in range(1, int(live) + 1):
                time.sleep(LIVE_INTERVAL_S)
                append_row(outbox, clock, device, is_valid=number < int(live))
            publisher.drain(float(drain_s))
        print("waiting", outbox.count_waiting())


if __name__ == "__main__":
    main()
