"""Messages and batches of two devices, most of them damaged or stolen, and the number of rows that each must become."""

import json
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
from samples import make_health, make_observation

from mien.broker.intake.fair_queue import Row
from mien.messages.batch import MAX_BATCH_BYTES, MAX_BATCH_MESSAGES, encode_batch
from mien.messages.dropped import Dropped, encode_dropped
from mien.messages.health import encode_health
from mien.messages.observation import Observation, encode_observation

DEVICES = ("hallway", "cellar")
TOKENS = (b"null", b"-1", b"1e999", b"99999999999999999999", b'""', b'"\\u0000"', b'"\\ud800"', b"[]", b"{}", b"\xff")
ABSURD_NUMBERS = (-1, 0, 1, 2, 1000, 2**31, 2**53, 2**53 + 1, 2**63, 10**30, 1.5, "9", None)
RESENT_SHARE = STOLEN_SHARE = LOSS_SHARE = 0.05
FIRST_AT = datetime(2026, 11, 22, 14, tzinfo=UTC)
QUARTER_HOUR = timedelta(minutes=15)
QUARTER_HOURS = 8
"""Over which the observations are spread."""
MAX_KEPT = 1000
"""Messages from which some are sent again or stolen."""


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


@dataclass
class DamagedSender:
    """Two devices that send damaged messages and use each other's ids and outboxes."""

    source: random.Random
    outboxes: dict[str, UUID] = field(default_factory=lambda: {device: uuid4() for device in DEVICES})
    sent: list[tuple[str, Observation, bytes]] = field(default_factory=list)
    seq: int = 0

    def make_message(self) -> Row:
        """One message; of few that it has sent, a copy, or with a stolen id, outbox or name."""
        device = self.source.choice(DEVICES)
        self.seq += 1
        at = FIRST_AT + QUARTER_HOUR * self.source.randrange(QUARTER_HOURS)
        observation = make_observation(self.outboxes[device], self.seq, device=device, at=at)
        choice = self.source.random()
        if self.sent and choice < RESENT_SHARE:
            device, observation, payload = self.source.choice(self.sent)
            return _to_row(device, payload)
        if self.sent and choice < RESENT_SHARE + STOLEN_SHARE:
            _, stolen, _ = self.source.choice(self.sent)
            names = self.source.choice((("id",), ("outbox", "seq"), ("id", "outbox", "seq"), ("device",)))
            observation = msgspec.structs.replace(observation, **{name: getattr(stolen, name) for name in names})
            payload = encode_observation(observation)
        elif choice < RESENT_SHARE + STOLEN_SHARE + LOSS_SHARE:
            payload = mutate(self._make_loss(device, observation), self.source)
        else:
            payload = mutate(encode_observation(observation), self.source)
        self.sent.append((device, observation, payload))
        if len(self.sent) > MAX_KEPT:
            self.sent.pop(self.source.randrange(MAX_KEPT))
        return _to_row(device, payload)

    def make_batch(self) -> tuple[Row, int]:
        """A batch, and the number of rows that it must become: all that it contains, or one, the batch itself."""
        rows = [
            row for row in (self.make_message() for _ in range(self.source.randint(1, 200))) if _is_json(row.payload)
        ]
        device = self.source.choice(DEVICES)
        messages = [row.payload for row in rows] or [b"0"]
        payload, count = self.source.choice(BATCH_KINDS)(messages, self.source)
        return _to_row(device, payload), count

    def make_health(self) -> tuple[str, bytes]:
        """A device's health report, with absurd numbers or another device's outbox."""
        names = ("first_seq", "oldest_seq", "next_seq", "waiting", "oldest_age_s", "rejected", "dropped")
        report: dict[str, Any] = json.loads(encode_health(make_health(self.outboxes[self.source.choice(DEVICES)])))
        for name in self.source.sample(names, self.source.randint(1, 3)):
            report["outbox"][name] = self.source.choice(ABSURD_NUMBERS)
        report["outbox"]["previous_outbox"] = str(self.source.choice([*self.outboxes.values(), uuid4()]))
        return self.source.choice(DEVICES), json.dumps(report).encode()

    def _make_loss(self, device: str, observation: Observation) -> bytes:
        first = self.source.randint(1, self.seq)
        fields = {name: getattr(observation, name) for name in ("id", "outbox", "seq", "at")}
        last = self.source.choice((first, self.seq, 2**53))
        return encode_dropped(Dropped(device=device, first=first, last=last, cause="full", **fields))


def _intact(messages: Sequence[bytes], _source: random.Random) -> tuple[bytes, int]:
    return encode_batch(messages), len(messages)


def _truncated(messages: Sequence[bytes], source: random.Random) -> tuple[bytes, int]:
    payload = encode_batch(messages)
    return payload[: source.randint(1, len(payload) - 1)], 1


def _changed(messages: Sequence[bytes], source: random.Random) -> tuple[bytes, int]:
    payload = bytearray(encode_batch(messages))
    payload[source.randrange(1, len(payload))] ^= 1 << source.randrange(8)
    return bytes(payload), 1


def _followed_by_more(messages: Sequence[bytes], source: random.Random) -> tuple[bytes, int]:
    return encode_batch(messages) + source.randbytes(source.randint(1, 9)), 1


def _not_compressed(_messages: Sequence[bytes], source: random.Random) -> tuple[bytes, int]:
    return b"\x78" + source.randbytes(source.randint(0, 99)), 1


def _nested(messages: Sequence[bytes], _source: random.Random) -> tuple[bytes, int]:
    content = zlib.decompress(encode_batch(messages))
    return encode_batch([content, *messages[:9]]), 1 + len(messages[:9])


def _nested_deeply(_messages: Sequence[bytes], source: random.Random) -> tuple[bytes, int]:
    depth = source.choice((10, 1000, 100_000))
    return encode_batch([b"[" * depth + b"]" * depth]), 1


def _bomb(_messages: Sequence[bytes], source: random.Random) -> tuple[bytes, int]:
    return zlib.compress(source.choice((b"\0", b" ", b"[")) * source.choice((MAX_BATCH_BYTES + 1, 30_000_000))), 1


def _empty(_messages: Sequence[bytes], _source: random.Random) -> tuple[bytes, int]:
    return encode_batch([]), 1


def _too_many(_messages: Sequence[bytes], _source: random.Random) -> tuple[bytes, int]:
    return encode_batch([b"1"] * (MAX_BATCH_MESSAGES + 1)), 1


def _numbers(_messages: Sequence[bytes], source: random.Random) -> tuple[bytes, int]:
    return encode_batch([str(source.random()).encode() for _ in range(MAX_BATCH_MESSAGES)]), MAX_BATCH_MESSAGES


def _a_million_numbers(_messages: Sequence[bytes], _source: random.Random) -> tuple[bytes, int]:
    return zlib.compress(b'{"schema":1,"kind":"batch","messages":[' + b"1," * 999_999 + b"1]}"), 1


def _other_json(_messages: Sequence[bytes], source: random.Random) -> tuple[bytes, int]:
    others = (
        b"",
        b"1",
        b"[]",
        b"{}",
        b'{"messages":[1]}',
        b'{"schema":2,"kind":"batch","messages":[1]}',
        b"\xff",
        b'"',
    )
    return zlib.compress(source.choice(others)), 1


BATCH_KINDS: tuple[Callable[[Sequence[bytes], random.Random], tuple[bytes, int]], ...] = (
    *(_intact,) * 24,
    _truncated,
    _changed,
    _followed_by_more,
    _not_compressed,
    _nested,
    _nested_deeply,
    _bomb,
    _empty,
    _too_many,
    _numbers,
    _a_million_numbers,
    _other_json,
)


def _to_row(device: str, payload: bytes) -> Row:
    return Row(device, f"mien/{device}/observation", payload)


def _is_json(payload: bytes) -> bool:
    """Whether it can be an element of a batch: a device rejects a damaged row before it sends it."""
    try:
        msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
