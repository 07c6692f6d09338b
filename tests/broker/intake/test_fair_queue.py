"""Devices share what is taken; only the one with the longest line loses rows."""

import random
import zlib
from collections import Counter

from mien.broker.intake.fair_queue import ROW_BYTES, FairQueue, Row
from mien.messages.batch import encode_batch


def row(device: str, number: int = 0, payload: bytes = b"") -> Row:
    return Row(device, f"mien/{device}/observation", payload or b"%d" % number)


def batch(device: str, *payloads: bytes) -> Row:
    return row(device, payload=encode_batch(payloads))


def devices_of(rows: list[Row]) -> Counter[str]:
    return Counter(one.device for one in rows)


def test_rows_of_one_device_keep_their_order() -> None:
    fair_queue = FairQueue()
    for number in range(10):
        fair_queue.put(row("hallway", number))
    taken = fair_queue.take(4) + fair_queue.take(100)
    assert [one.payload for one in taken] == [b"%d" % number for number in range(10)]
    assert fair_queue.take(1) == []
    assert len(fair_queue) == 0


def test_each_device_gets_an_equal_share_unless_it_needs_less() -> None:
    fair_queue = FairQueue()
    for device, count in {"flooder": 1000, "hallway": 3, "kitchen": 50, "attic": 50}.items():
        for number in range(count):
            fair_queue.put(row(device, number))
    shares = devices_of(fair_queue.take(100))
    assert shares.total() == 100
    assert shares["hallway"] == 3
    assert all(abs(shares[device] - 97 / 3) <= 2 for device in ("flooder", "kitchen", "attic"))


def test_a_device_that_was_left_out_is_next() -> None:
    fair_queue = FairQueue()
    for device in ("a", "b", "c"):
        for number in range(5):
            fair_queue.put(row(device, number))
    assert [one.device for _ in range(6) for one in fair_queue.take(1)] == ["a", "b", "c", "a", "b", "c"]


def test_a_batch_is_opened_and_its_rows_are_taken_like_others() -> None:
    fair_queue = FairQueue()
    fair_queue.put(batch("hallway", b"1", b"2", b"3", b"4"))
    fair_queue.put(row("hallway", 5))
    fair_queue.put(row("kitchen", 1))
    first = fair_queue.take(4)
    assert devices_of(first) == {"hallway": 3, "kitchen": 1}
    rest = fair_queue.take(10)
    assert [one.payload for one in first + rest if one.device == "hallway"] == [b"1", b"2", b"3", b"4", b"5"]
    assert all(one.topic == f"mien/{one.device}/observation" for one in first + rest)


def test_a_batch_that_cannot_be_opened_is_one_row() -> None:
    bomb, truncated = zlib.compress(bytes(10_000_000)), encode_batch([b"1", b"2"])[:-1]
    nested = encode_batch([b'"' + b"x" * 10 + b'"', b"[" * 50_000 + b"]" * 50_000])
    fair_queue = FairQueue()
    for payload in (bomb, truncated, nested):
        fair_queue.put(row("hallway", payload=payload))
    assert [one.payload for one in fair_queue.take(10)] == [bomb, truncated, nested]


def test_when_it_is_full_the_device_with_the_longest_line_loses() -> None:
    fair_queue = FairQueue(max_bytes=100 * (ROW_BYTES + 1))
    for _ in range(200):
        fair_queue.put(row("flooder"))
    assert len(fair_queue) == 100
    assert fair_queue.take_discarded() == {"flooder": 100}
    for _ in range(40):
        fair_queue.put(row("hallway"))
    assert fair_queue.take_discarded() == {"flooder": 40}
    assert fair_queue.take_discarded() == {}
    assert devices_of(fair_queue.take(1000)) == {"flooder": 60, "hallway": 40}


def test_no_device_with_less_than_its_share_loses_anything() -> None:
    source = random.Random(7)
    devices = [f"device-{number}" for number in range(9)]
    fair_queue = FairQueue(max_bytes=1000 * (ROW_BYTES + 100))
    put, taken, discarded = Counter[str](), Counter[str](), Counter[str]()
    for _ in range(20_000):
        device = source.choices([*devices, "flooder"], [*[1] * 9, 100])[0]
        fair_queue.put(row(device, payload=b"." * source.randint(1, 100)))
        put[device] += 1
        if source.random() < 0.01:
            taken += devices_of(fair_queue.take(source.randint(1, 50)))
            discarded += fair_queue.take_discarded()
    taken += devices_of(fair_queue.take(10_000))
    discarded += fair_queue.take_discarded()
    assert set(discarded) == {"flooder"}
    assert taken + discarded == put


def test_its_memory_is_limited_however_large_the_messages_are() -> None:
    fair_queue = FairQueue(max_bytes=1_000_000)
    for number in range(100):
        fair_queue.put(row(f"device-{number % 3}", payload=b"." * 200_000))
        assert sum(len(one.payload) for line in fair_queue._lines.values() for one in line.rows) <= 1_000_000
    assert len(fair_queue) == 4


def test_a_message_larger_than_the_queue_is_discarded() -> None:
    fair_queue = FairQueue(max_bytes=1000)
    fair_queue.put(row("hallway", payload=b"." * 2000))
    assert fair_queue.take_discarded() == {"hallway": 1}


def test_discarded_batches_count_about_as_many_rows_as_they_contain() -> None:
    source = random.Random(3)
    rows = [b'{"id":"%032x","scores":[%d,%d]}' % (source.getrandbits(128), n, n * 7) for n in range(300)]
    fair_queue = FairQueue(max_bytes=1)
    fair_queue.put(batch("hallway", *rows))
    assert fair_queue.take_discarded()["hallway"] > 10
