"""Sends mutated messages into a real store and accounts for each: python fuzz.py [PAYLOADS] [SEED].

Prints a last line, payloads=… stored=… duplicates=… rejected=…; exits with 0 if these add up and the log is sound.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path
from uuid import UUID

from samples import make_observation
from uuid6 import uuid7

from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.message import IncomingMessage, decode_message
from mien.broker.ingest.store import Store
from mien.messages.observation import encode_observation

BATCH = 1000
RECEIVED_MS = 1_800_000_000_000
TOKENS = (b"null", b"-1", b"1e999", b"99999999999999999999", b'""', b'"\\u0000"', b'"\\ud800"', b"[]", b"{}", b"\xff")
RESENT_SHARE = 0.05


def mutate(payload: bytes, source: random.Random) -> bytes:
    """A message with parts changed, removed, repeated, cut off or replaced by tokens that break parsers."""
    mutated = bytearray(payload)
    for _ in range(source.choice((0, 1, 1, 2, 5))):
        begin = source.randrange(len(mutated) + 1)
        end = min(len(mutated), begin + source.randrange(12))
        match source.randrange(5):
            case 0 if mutated:
                mutated[begin % len(mutated)] = source.randrange(256)
            case 1:
                del mutated[begin:end]
            case 2:
                mutated[begin:begin] = mutated[begin:end]
            case 3:
                mutated[begin:end] = source.choice(TOKENS)
            case _:
                mutated = mutated[:begin] or mutated
    return bytes(mutated)


def make_batch(source: random.Random, outbox: UUID, first_seq: int) -> list[IncomingMessage]:
    """A batch of mutated messages, some of them sent twice."""
    payloads: list[bytes] = []
    for number in range(BATCH):
        if payloads and source.random() < RESENT_SHARE:
            payloads.append(source.choice(payloads))
        else:
            payloads.append(mutate(encode_observation(make_observation(outbox, first_seq + number)), source))
    return [
        decode_message(topic="mien/hallway/observation", payload=payload, received_ms=RECEIVED_MS, device="hallway")
        for payload in payloads
    ]


def fuzz(payloads: int, seed: int) -> tuple[dict[str, int], dict[str, str]]:
    """How many messages had which outcome, and the problems that the check of the log finds."""
    source, outbox = random.Random(seed), UUID(int=uuid7().int)
    counts = dict.fromkeys(("payloads", "stored", "duplicates", "rejected"), 0)
    with tempfile.TemporaryDirectory(prefix="mien-fuzz-") as folder:
        engine = open_for_writing(Path(folder) / "mien.db")
        while counts["payloads"] < payloads:
            outcome = Store(engine).record(make_batch(source, outbox, counts["payloads"] + 1))
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
    failures = [f"{name}: {problem}" for name, problem in problems.items() if problem]
    print("\n".join(failures), end="")
    return int(bool(failures) or counts["payloads"] != counts["stored"] + counts["duplicates"] + counts["rejected"])


if __name__ == "__main__":
    sys.exit(main())
