"""`mien db check` finds inconsistencies, on SQLite and PostgreSQL."""

import json
from uuid import uuid4

import pytest
from samples import make_health, make_observation
from sqlalchemy import insert

from mien.broker.admin.integrity import check_log
from mien.broker.database import schema
from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.device_state import DeviceState
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.cli import main
from mien.messages.health import encode_health
from mien.messages.observation import encode_observation

RECEIVED_MS = 1_800_000_000_000
TOPIC = "mien/hallway/observation"


@pytest.fixture
def filled_log(log: str) -> str:
    """A log with one observation and one rejected message."""
    engine = open_for_writing(log)
    Store(engine).record(
        [
            decode_message(topic=TOPIC, payload=payload, received_ms=RECEIVED_MS, device="hallway")
            for payload in (encode_observation(make_observation(seq=1)), b"\xffnoise")
        ]
    )
    engine.dispose()
    return log


def test_the_command_reports_wrong_counts(filled_log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "check", "--db", filled_log, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["problems"].values()) == {""}
    engine = open_for_writing(filled_log)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE rollup SET happy = 7")
    engine.dispose()
    assert main(["db", "check", "--db", filled_log]) == 8
    captured = capsys.readouterr()
    assert "error rollup: 1 of 1 counts differ from the observations" in captured.out
    assert f"{filled_log} is damaged (rollup): restore a backup\n" in captured.err


def test_ids_in_two_tables_are_found_for_each_device(filled_log: str) -> None:
    engine = open_for_writing(filled_log)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE rejected SET id = (SELECT id FROM observation)")
        connection.exec_driver_sql("INSERT INTO device (name) VALUES ('cellar')")
    assert check_log(engine).problems["unique ids"] == "1 ids are in two tables"
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE rejected SET device = (SELECT key FROM device WHERE name = 'cellar')")
    assert not any(check_log(engine).problems.values())
    engine.dispose()


def test_overlapping_ranges_and_numbers_without_one_are_found(filled_log: str) -> None:
    engine = open_for_writing(filled_log)
    with engine.begin() as connection:
        connection.execute(insert(schema.acked_range).values(device=1, outbox=1, received=1, first=2, last=3))
        connection.exec_driver_sql("UPDATE observation SET seq = 4")
    problems = check_log(engine).problems
    assert problems["acknowledged ranges"] == "1 outboxes have ranges that overlap"
    assert problems["acknowledged numbers"] == "the numbers of 1 messages are not in the ranges"
    assert {name for name, problem in problems.items() if problem} == {"acknowledged ranges", "acknowledged numbers"}
    engine.dispose()


def test_missing_names_are_found(filled_log: str) -> None:
    engine = open_for_writing(filled_log)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM outbox")
        connection.exec_driver_sql("DELETE FROM capture")
    # The outbox is in two tables: observation and acked_range.
    assert check_log(engine).problems["names"] == "3 outboxes or captures have no name"
    engine.dispose()


def test_the_first_ten_gaps_are_printed_with_their_number_and_all_as_json(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = open_for_writing(log)
    store, outboxes = Store(engine), [uuid4(), uuid4()]
    for device, outbox, missing in (("cellar", outboxes[0], 8), ("hallway", outboxes[1], 5)):
        messages = [
            decode_message(
                topic=f"mien/{device}/observation",
                payload=encode_observation(make_observation(outbox, 2 * number, device=device)),
                received_ms=RECEIVED_MS,
                device=device,
            )
            for number in range(1, missing + 1)
        ]
        store.record(messages)
        health = make_health(outbox, oldest_seq=2 * missing + 1, next_seq=2 * missing + 1)
        store.save_device_states({(device, "health"): DeviceState(encode_health(health), RECEIVED_MS)})
    assert main(["db", "check", "--db", log]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:] == [
        f"gaps  from cellar: 1-1, 3-3, 5-5, 7-7, 9-9, 11-11, 13-13, 15-15 of outbox {outboxes[0]}",
        f"gaps  from hallway: 1-1, 3-3 of outbox {outboxes[1]}",
        "      gaps in all: 13, missing numbers: 13; --json lists them all",
    ]
    assert main(["db", "check", "--db", log, "--json"]) == 0
    gaps = json.loads(capsys.readouterr().out)["gaps"]
    assert [len(gaps[device][str(outbox)]) for device, outbox in zip(("cellar", "hallway"), outboxes, strict=True)] == [
        8,
        5,
    ]
    engine.dispose()


def test_all_gaps_are_printed_if_they_are_few(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    engine = open_for_writing(log)
    health = make_health(outbox := uuid4(), oldest_seq=6, next_seq=9)
    Store(engine).save_device_states({("hallway", "health"): DeviceState(encode_health(health), RECEIVED_MS)})
    assert main(["db", "check", "--db", log]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"gaps  from hallway: 1-5 of outbox {outbox}",
        "      gaps in all: 1, missing numbers: 5",
    ]
    engine.dispose()
