"""What the log knows to be missing, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import msgspec
import pytest
from samples import make_health, make_observation

from mien.broker.arrival import decode_arrival
from mien.broker.checking import check_log
from mien.broker.database import open_for_reading, open_for_writing
from mien.broker.device_state import State
from mien.broker.gaps import Gaps
from mien.broker.store import Store
from mien.health import encode as encode_health
from mien.observation import encode

OLD, NEW = uuid4(), uuid4()


class Device:
    """What one device sends, given to the store as the collector would."""

    def __init__(self, store: Store, log: str) -> None:
        self._store = store
        self._log = log
        self._ms = 0

    def send(self, outbox: UUID, *numbers: int, emotion: str = "happy") -> None:
        for seq in numbers:
            payload = encode(make_observation(outbox, seq)).replace(b'"happy",', b'"%s",' % emotion.encode())
            arrival = decode_arrival(topic="mien/hallway/observation", payload=payload, received_ms=0, device="hallway")
            self._store.record([arrival])

    def tell(self, outbox: UUID, **numbers: object) -> None:
        self._ms += 1
        payload = encode_health(make_health(outbox, **numbers))
        self._store.note({("hallway", "health"): State(payload, self._ms)})

    def missing(self) -> Gaps:
        found = check_log(open_for_reading(self._log)).gaps
        counted = {
            device: sum(b - a + 1 for runs in outboxes.values() for a, b in runs) for device, outboxes in found.items()
        }
        assert self._store.gaps() == counted
        return found


@pytest.fixture
def device(log: str) -> Iterator[Device]:
    engine = open_for_writing(log)
    yield Device(Store(engine), log)
    engine.dispose()


def test_what_still_waits_is_no_gap(device: Device) -> None:
    device.send(OLD, 1, 2, 4)
    device.tell(OLD, oldest_seq=6, next_seq=9)
    assert device.missing() == {"hallway": {str(OLD): [(3, 3), (5, 5)]}}
    device.send(OLD, 3, 5)
    assert device.missing() == {"hallway": {}}


def test_what_went_with_a_lost_outbox_stays_known(device: Device) -> None:
    device.send(OLD, 1, 2, 4, 5, 7)
    device.tell(OLD, oldest_seq=6, next_seq=9)
    device.tell(NEW, oldest_seq=1, next_seq=1, set_aside=1)
    assert device.missing() == {"hallway": {str(OLD): [(3, 3), (6, 6), (8, 8)]}}
    device.send(OLD, 6)  # was on its way
    device.send(NEW, 2)
    device.tell(NEW, oldest_seq=3, next_seq=3, set_aside=1)
    assert device.missing() == {"hallway": {str(OLD): [(3, 3), (8, 8)], str(NEW): [(1, 1)]}}


def test_rows_that_went_on_under_another_name_are_no_gap(device: Device) -> None:
    device.send(OLD, 1, 2, 3)
    device.send(OLD, 5, emotion="smug")  # refused, while 4, 6 and 7 wait
    device.tell(OLD, oldest_seq=4, next_seq=8)
    device.tell(NEW, first_seq=4, oldest_seq=4, next_seq=8, continues=OLD)
    assert device.missing() == {"hallway": {}}
    device.send(NEW, 4, 7)
    device.tell(NEW, first_seq=4, oldest_seq=8, next_seq=8, continues=OLD)
    assert device.missing() == {"hallway": {str(NEW): [(6, 6)]}}


def test_a_number_once_told_is_not_taken_back(device: Device) -> None:
    device.send(OLD, 1)
    device.tell(OLD, oldest_seq=3, next_seq=3)
    device.tell(OLD, oldest_seq=1, next_seq=2)  # a retained message from before, say
    assert device.missing() == {"hallway": {str(OLD): [(2, 2)]}}


def test_a_health_of_another_kind_is_kept_and_said(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    device._store.note({("hallway", "health"): State(msgspec.json.encode({"outbox": {"first_seq": "one"}}), 1)})
    assert "cannot read the health of hallway, so its gaps are not counted" in caplog.text
    assert device.missing() == {}
