"""What health reports say about outboxes is stored as far as it can be true, on SQLite and PostgreSQL."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from samples import make_health, make_observation
from sqlalchemy import Engine, text

from mien.broker.database.engine import open_for_writing
from mien.broker.database.gaps import find_gaps
from mien.broker.ingest.device_state import DeviceState
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.outbox_counters import COUNTING_SINCE_MS, SLACK_NUMBERS
from mien.broker.ingest.store import Store
from mien.messages.health import encode_health
from mien.messages.observation import encode_observation

NOW_MS = 1_800_000_000_000
OLD, NEW = uuid4(), uuid4()


@pytest.fixture
def engine(log: str) -> Iterator[Engine]:
    engine = open_for_writing(log)
    yield engine
    engine.dispose()


def report(
    engine: Engine, outbox: UUID, *, device: str = "hallway", received_ms: int = NOW_MS, **numbers: object
) -> None:
    payload = encode_health(make_health(outbox, **numbers))
    Store(engine).save_device_states({(device, "health"): DeviceState(payload, received_ms)})


def send(engine: Engine, outbox: UUID, *numbers: int, device: str = "hallway") -> None:
    messages = [
        decode_message(
            topic=f"mien/{device}/observation",
            payload=encode_observation(make_observation(outbox, seq, device=device)),
            received_ms=NOW_MS,
            device=device,
        )
        for seq in numbers
    ]
    assert Store(engine).record(messages).stored == len(numbers)


def gaps(engine: Engine) -> dict[str, dict[str, list[tuple[int, int]]]]:
    with engine.connect() as connection:
        return find_gaps(connection)


def names(engine: Engine) -> set[bytes]:
    with engine.connect() as connection:
        return set(connection.execute(text("SELECT name FROM outbox")).scalars())


@pytest.mark.parametrize("next_seq", [2**53, (NOW_MS - COUNTING_SINCE_MS) + SLACK_NUMBERS + 2])
def test_a_first_report_of_more_numbers_than_there_was_time_for_is_not_stored(
    engine: Engine, caplog: pytest.LogCaptureFixture, next_seq: int
) -> None:
    report(engine, OLD, oldest_seq=next_seq, next_seq=next_seq)
    assert (
        f"the health report of hallway is not used, so its gaps are not counted: outbox {OLD} has counted"
        in caplog.text
    )
    assert f"{next_seq}, which is more than time allows" in caplog.text
    assert gaps(engine) == {}
    assert names(engine) == set()
    report(engine, OLD, oldest_seq=2, next_seq=2)
    assert gaps(engine) == {"hallway": {str(OLD): [(1, 1)]}}


def test_a_jump_that_time_does_not_allow_leaves_the_counter_as_it_was(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    report(engine, OLD, oldest_seq=1, next_seq=100)
    ten_s_later_ms, most = NOW_MS + 10_000, 100 + SLACK_NUMBERS + 10_000
    report(engine, OLD, oldest_seq=most + 1, next_seq=most + 1, received_ms=ten_s_later_ms)
    assert "more than time allows (110100)" in caplog.text
    assert gaps(engine) == {"hallway": {}}
    caplog.clear()
    report(engine, OLD, oldest_seq=1, next_seq=most, received_ms=ten_s_later_ms)
    assert caplog.text == ""
    with engine.connect() as connection:
        assert connection.execute(text("SELECT next_seq FROM outbox_counter")).scalar() == most


def test_a_server_whose_clock_was_set_back_still_accepts_reports(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    report(engine, OLD, oldest_seq=1, next_seq=100)
    report(engine, OLD, oldest_seq=5, next_seq=1000, received_ms=0)
    assert caplog.text == ""
    assert gaps(engine) == {"hallway": {str(OLD): [(1, 4)]}}


def test_an_outbox_does_not_continue_that_of_another_device(engine: Engine) -> None:
    send(engine, OLD, 1, 2, 3, device="cellar")
    report(engine, OLD, oldest_seq=4, next_seq=8, device="cellar")
    report(engine, NEW, first_seq=1, oldest_seq=4, next_seq=8, previous_outbox=OLD)
    assert gaps(engine) == {"cellar": {}, "hallway": {str(NEW): [(1, 3)]}}
    report(engine, uuid4(), oldest_seq=1, next_seq=1, device="cellar")  # rows 4 to 7 were lost with the outbox
    assert gaps(engine)["cellar"] == {str(OLD): [(4, 7)]}


def test_an_outbox_of_which_nothing_is_known_is_not_named(engine: Engine) -> None:
    report(engine, NEW, oldest_seq=1, next_seq=1, previous_outbox=OLD)
    assert names(engine) == {NEW.bytes}
    send(engine, OLD, 1)
    report(engine, NEW, oldest_seq=1, next_seq=1, previous_outbox=OLD)
    with engine.connect() as connection:
        query = "SELECT name FROM outbox_counter JOIN outbox ON outbox.key = previous_outbox"
        assert connection.execute(text(query)).scalars().all() == [OLD.bytes]


def test_two_devices_may_report_the_same_outbox_each_with_its_own_numbers(engine: Engine) -> None:
    send(engine, OLD, 1, 2)
    send(engine, OLD, 3, device="cellar")
    for device in ("hallway", "cellar"):
        report(engine, OLD, oldest_seq=4, next_seq=4, device=device)
    assert gaps(engine) == {"hallway": {str(OLD): [(3, 3)]}, "cellar": {str(OLD): [(1, 2)]}}


def test_a_device_that_keeps_reporting_nonsense_is_logged_once_a_minute(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(engine)
    payload = encode_health(make_health(OLD, oldest_seq=2**53, next_seq=2**53))
    for received_ms in range(NOW_MS, NOW_MS + 50):
        store.save_device_states({("hallway", "health"): DeviceState(payload, received_ms)})
    assert len(caplog.records) == 1
