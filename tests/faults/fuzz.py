"""Sends mutated messages into a real store and accounts for each: python fuzz.py [PAYLOADS] [SEED].

Ends with one line: payloads=… stored=… duplicates=… rejected=… and exit code 0 if these add up and the log is sound.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path
from uuid import UUID

from samples import make_observation
from uuid6 import uuid7

from mien.broker.arrival import Arrival, decode_arrival
from mien.broker.checking import check_log
from mien.broker.database import open_for_writing
from mien.broker.store import Store
from mien.observation import encode

BATCH = 1000
RECEIVED_MS = 1_800_000_000_000
TOKENS = (b"null", b"-1", b"1e999", b"99999999999999999999", b'""', b'"\\u0000"', b'"\\ud800"', b"[]", b"{}", b"\xff")


def mutated(payload: bytes, source: random.Random) -> bytes:
    """A message with a piece changed, cut out, doubled or replaced by what breaks parsers."""
    changed = bytearray(payload)
    for _ in range(source.choice((0, 1, 1, 2, 5))):
        begin = source.randrange(len(changed) + 1)
        end = min(len(changed), begin + source.randrange(12))
        match source.randrange(5):
            case 0 if changed:
                changed[begin % len(changed)] = source.randrange(256)
            case 1:
                del changed[begin:end]
            case 2:
                changed[begin:begin] = changed[begin:end]
            case 3:
                changed[begin:end] = source.choice(TOKENS)
            case _:
                changed = changed[:begin] or changed
    return bytes(changed)


def arrivals(source: random.Random, outbox: UUID, first: int) -> list[Arrival]:
    """A batch, some of it sent twice."""
    made: list[bytes] = []
    for number in range(BATCH):
        if made and source.random() < 0.05:
            made.append(source.choice(made))
        else:
            made.append(mutated(encode(make_observation(outbox, first + number)), source))
    return [
        decode_arrival(topic="mien/hallway/observation", payload=one, received_ms=RECEIVED_MS, device="hallway")
        for one in made
    ]


def fuzz(payloads: int, seed: int) -> tuple[dict[str, int], dict[str, str]]:
    """How many messages came to what, and what the check of the log then says."""
    source, outbox = random.Random(seed), UUID(int=uuid7().int)
    counts = dict.fromkeys(("payloads", "stored", "duplicates", "rejected"), 0)
    with tempfile.TemporaryDirectory(prefix="mien-fuzz-") as folder:
        engine = open_for_writing(Path(folder) / "mien.db")
        while counts["payloads"] < payloads:
            outcome = Store(engine).record(arrivals(source, outbox, counts["payloads"] + 1))
            counts["payloads"] += BATCH
            counts["stored"] += outcome.stored
            counts["duplicates"] += outcome.duplicates
            counts["rejected"] += outcome.rejected.total()
        problems = check_log(engine).problems
        engine.dispose()
    return counts, problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("payloads", type=int, nargs="?", default=1_000_000)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    options = parser.parse_args()
    counts, problems = fuzz(options.payloads, options.seed)
    print(" ".join(f"{name}={count}" for name, count in counts.items()))
    found = [f"{name}: {problem}" for name, problem in problems.items() if problem]
    print("\n".join(found), end="")
    return int(bool(found) or counts["payloads"] != counts["stored"] + counts["duplicates"] + counts["rejected"])


if __name__ == "__main__":
    sys.exit(main())
