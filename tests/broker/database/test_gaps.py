"""Which sequence numbers the log reports as gaps, on SQLite and PostgreSQL."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import msgspec
import pytest
from samples import make_health, make_observation

from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.database.gaps import Gaps
from mien.broker.ingest.device_state import DeviceState
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.messages.health import encode_health
from mien.messages.observation import encode_observation

OLD, NEW = uuid4(), uuid4()


class Device:
    """One device, whose messages go straight into the store."""

    def __init__(self, store: Store, log: str) -> None:
        self.store = store
        self._log = log
        self._received_ms = 0

    def send(self, outbox: UUID, *numbers: int, emotion: str = "happy") -> None:
        topic = "mien/hallway/observation"
        for seq in numbers:
            payload = encode_observation(make_observation(outbox, seq))
            payload = payload.replace(b'"happy",', b'"%s",' % emotion.encode())
            self.store.record([decode_message(topic=topic, payload=payload, received_ms=0, device="hallway")])

    def report(self, outbox: UUID, **numbers: object) -> None:
        self._received_ms += 1
        payload = encode_health(make_health(outbox, **numbers))
        self.store.save_device_states({("hallway", "health"): DeviceState(payload, self._received_ms)})

    def gaps(self) -> Gaps:
        gaps = check_log(open_for_reading(self._log)).gaps
        counts = {
            device: sum(last - first + 1 for ranges in outboxes.values() for first, last in ranges)
            for device, outboxes in gaps.items()
        }
        assert self.store.count_gaps() == counts
        return gaps


@pytest.fixture
def device(log: str) -> Iterator[Device]:
    engine = open_for_writing(log)
    yield Device(Store(engine), log)
    engine.dispose()


def test_waiting_rows_are_not_gaps(device: Device) -> None:
    device.send(OLD, 1, 2, 4)
    device.report(OLD, oldest_seq=6, next_seq=9)
    assert device.gaps() == {"hallway": {str(OLD): [(3, 3), (5, 5)]}}
    device.send(OLD, 3, 5)
    assert device.gaps() == {"hallway": {}}


def test_the_rows_of_a_lost_outbox_become_gaps(device: Device) -> None:
    device.send(OLD, 1, 2, 4, 5, 7)
    device.report(OLD, oldest_seq=6, next_seq=9)
    device.report(NEW, oldest_seq=1, next_seq=1, corrupt_files=1)
    assert device.gaps() == {"hallway": {str(OLD): [(3, 3), (6, 6), (8, 8)]}}
    device.send(OLD, 6)  # was in flight
    device.send(NEW, 2)
    device.report(NEW, oldest_seq=3, next_seq=3, corrupt_files=1)
    assert device.gaps() == {"hallway": {str(OLD): [(3, 3), (8, 8)], str(NEW): [(1, 1)]}}


def test_rows_that_another_outbox_took_over_are_not_gaps(device: Device) -> None:
    device.send(OLD, 1, 2, 3)
    device.send(OLD, 5, emotion="smug")  # rejected, while 4, 6 and 7 wait
    device.report(OLD, oldest_seq=4, next_seq=8)
    device.report(NEW, first_seq=4, oldest_seq=4, next_seq=8, previous_outbox=OLD)
    assert device.gaps() == {"hallway": {}}
    device.send(NEW, 4, 7)
    device.report(NEW, first_seq=4, oldest_seq=8, next_seq=8, previous_outbox=OLD)
    assert device.gaps() == {"hallway": {str(NEW): [(6, 6)]}}


def test_counters_never_go_back(device: Device) -> None:
    device.send(OLD, 1)
    device.report(OLD, oldest_seq=3, next_seq=3)
    device.report(OLD, oldest_seq=1, next_seq=2)  # for example an earlier retained message
    assert device.gaps() == {"hallway": {str(OLD): [(2, 2)]}}


def test_an_unreadable_health_report_is_logged(device: Device, caplog: pytest.LogCaptureFixture) -> None:
    payload = msgspec.json.encode({"outbox": {"first_seq": "one"}})
    device.store.save_device_states({("hallway", "health"): DeviceState(payload, 1)})
    assert "the health report of hallway is not used, so its gaps are not counted: Expected `int`" in caplog.text
    assert device.gaps() == {}
