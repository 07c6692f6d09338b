"""Sends damaged messages, batches and health reports of two devices into a real store and accounts for each row:
python fuzz.py [PAYLOADS] [SEED]. Halfway, a part of one device's past is erased.

Prints a last line, payloads=… batches=… rows=… stored=… duplicates=… rejected=… erased=…; exits with 0 if stored,
duplicates and rejected add up to the rows, each batch became as many rows as it must, nothing that was erased is stored
again, and the log is sound.
"""

import argparse
import logging
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from damaged_messages import DEVICES, FIRST_AT, QUARTER_HOUR, DamagedSender
from sqlalchemy import Engine

from mien.broker.admin.erase import erase, plan_erasure
from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.device_state import DeviceState
from mien.broker.ingest.message import IncomingMessage, decode_message
from mien.broker.ingest.store import Store
from mien.broker.intake.fair_queue import FairQueue
from mien.messages.topics import HEALTH

PAYLOADS_PER_COMMIT = 500
BATCH_SHARE = 0.02
"""Of the payloads: half of the rows are in batches."""
RECEIVED_MS = 1_800_000_000_000


@dataclass
class FuzzReport:
    """What became of everything that was sent."""

    counts: Counter[str] = field(default_factory=Counter)
    """payloads, batches, rows, stored, duplicates, rejected and erased."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why rows were rejected."""
    problems: list[str] = field(default_factory=list)
    """What is wrong: with the division into rows, with the sums, with the log."""


def fuzz(payloads: int, seed: int) -> FuzzReport:
    """Send so many payloads, some of which are batches."""
    report, sender = FuzzReport(), DamagedSender(random.Random(seed))
    counts = report.counts
    with tempfile.TemporaryDirectory(prefix="mien-fuzz-") as folder:
        engine = open_for_writing(Path(folder) / "mien.db")
        store = Store(engine)
        is_erased = False
        while counts["payloads"] < payloads:
            if not is_erased and counts["payloads"] >= payloads // 2:
                is_erased = True
                report.counts["erased"] = erase_span(engine)
            device, health = sender.make_health()
            store.save_device_states({(device, HEALTH): DeviceState(health, RECEIVED_MS + counts["payloads"])})
            messages = take_messages(sender, report)
            outcome = store.record(messages)
            counts["rows"] += len(messages)
            counts["stored"] += outcome.stored
            counts["duplicates"] += outcome.duplicates
            counts["rejected"] += outcome.rejected.total()
            report.reasons.update(outcome.rejected)
        report.problems += [f"{name}: {problem}" for name, problem in check_log(engine).problems.items() if problem]
        if erase_span(engine):
            report.problems.append("erased observations were stored again")
        engine.dispose()
    if counts["rows"] != counts["stored"] + counts["duplicates"] + counts["rejected"]:
        report.problems.append("stored, duplicates and rejected are not all rows")
    return report


def erase_span(engine: Engine) -> int:
    """Erase some quarters of an hour of one device; how many observations of it there were."""
    span = {"start": FIRST_AT + 2 * QUARTER_HOUR, "end": FIRST_AT + 4 * QUARTER_HOUR}
    request = plan_erasure(engine, DEVICES[0], **span, now_ms=RECEIVED_MS)
    receipt = erase(engine, engine, request, now_ms=RECEIVED_MS, sleep=lambda _duration_s: None)
    return receipt.observations


def take_messages(sender: DamagedSender, report: FuzzReport) -> list[IncomingMessage]:
    """Rows as a collector takes them, of the payloads of one commit."""
    queue, expected = FairQueue(), 0
    for _ in range(PAYLOADS_PER_COMMIT):
        report.counts["payloads"] += 1
        if sender.source.random() < BATCH_SHARE:
            report.counts["batches"] += 1
            row, count = sender.make_batch()
        else:
            row, count = sender.make_message(), 1
        queue.put(row)
        expected += count
    rows = []
    while taken := queue.take(1000):
        rows += taken
    if len(rows) != expected:
        report.problems.append(f"{expected} rows were sent, {len(rows)} arrived")
    return [
        decode_message(topic=row.topic, payload=row.payload, received_ms=RECEIVED_MS, device=row.device) for row in rows
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("payloads", type=int, nargs="?", default=1_000_000)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    options = parser.parse_args()
    logging.disable(logging.WARNING)  # of each absurd health report
    report = fuzz(options.payloads, options.seed)
    print(" ".join(f"{name}={count}" for name, count in report.counts.items()))
    print("\n".join(report.problems), end="")
    return int(bool(report.problems))


if __name__ == "__main__":
    sys.exit(main())
