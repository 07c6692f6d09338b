"""All that is held for a device can be read, on SQLite and PostgreSQL."""

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from samples import make_health, make_observation
from uuid6 import uuid7

from mien.broker.admin import export_subject as exporting
from mien.broker.admin.erase import erase, plan_erasure
from mien.broker.admin.export_subject import export_subject
from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.ingest.device_state import DeviceState
from mien.broker.ingest.message import IncomingMessage, decode_message
from mien.broker.ingest.store import Store
from mien.cli import main
from mien.messages.dropped import Dropped, encode_dropped
from mien.messages.health import encode_health
from mien.messages.observation import encode_observation

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOW_MS = round((START + timedelta(days=2)).timestamp() * 1000)
OUTBOX = uuid7()


def to_message(payload: bytes, device: str = "hallway") -> IncomingMessage:
    return decode_message(topic=f"mien/{device}/observation", payload=payload, received_ms=NOW_MS, device=device)


@pytest.fixture(autouse=True)
def held(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log with something of each kind, for two devices."""
    monkeypatch.setattr(exporting, "PAGE_ROWS", 3)
    engine = open_for_writing(log)
    store = Store(engine)
    for device in ("hallway", "kitchen"):
        outbox = OUTBOX if device == "hallway" else uuid7()
        rows = [
            make_observation(outbox, seq, device=device, at=START + timedelta(minutes=5 * seq)) for seq in range(1, 10)
        ]
        noise = [f'{{"at": "2026-11-22T12:{minute:02}:00Z", "device": "{device}"}}'.encode() for minute in range(7)]
        loss = Dropped(id=uuid7(), device=device, outbox=outbox, seq=12, first=10, last=11, cause="full", at=START)
        payloads = [*map(encode_observation, rows), *noise, encode_dropped(loss), b"\xffunreadable"]
        store.record([to_message(payload, device) for payload in payloads])
        health = make_health(outbox, first_seq=1, oldest_seq=13, next_seq=13)
        store.save_device_states({(device, "health"): DeviceState(encode_health(health), NOW_MS)})
    reader = open_for_reading(log)
    request = plan_erasure(reader, "hallway", start=START - timedelta(days=9), end=START, now_ms=NOW_MS)
    erase(engine, reader, request, now_ms=NOW_MS, sleep=lambda _s: None)
    engine.dispose()
    reader.dispose()


def counts_by_kind(records: list[dict[str, Any]]) -> dict[str, int]:
    kinds = [record["record"] for record in records]
    return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


def test_everything_of_a_device_and_nothing_of_another_is_exported(log: str) -> None:
    records = list(export_subject(open_for_reading(log), "hallway"))
    assert counts_by_kind(records) == {
        "export": 1,
        "observation": 9,
        "count": 4,
        "rejected": 8,
        "loss": 1,
        "state": 1,
        "outbox": 1,
        "erasure": 1,
        "end": 1,
    }
    assert records[-1] == {"record": "end", "records": len(records) - 2}
    assert "kitchen" not in str(records)
    by_kind = {record["record"]: record for record in records}
    assert by_kind["observation"]["seq"] == 9
    assert by_kind["rejected"]["payload"] == "\\xffunreadable"
    assert by_kind["state"]["message"]["outbox"]["next_seq"] == 13
    assert by_kind["loss"]["outbox"] == by_kind["outbox"]["outbox"] == str(OUTBOX)
    assert sum(record["observations"] for record in records if record["record"] == "count") == 9


def test_a_span_limits_it_and_counts_are_of_the_quarters_that_it_touches(log: str) -> None:
    start, end = START + timedelta(minutes=4), START + timedelta(minutes=16)
    records = list(export_subject(open_for_reading(log), "hallway", start=start, end=end))
    assert counts_by_kind(records) == {
        "export": 1,
        "observation": 3,
        "count": 2,
        "rejected": 3,
        "erasure": 1,
        "end": 1,
    }


def test_the_command_writes_a_file_that_only_its_owner_can_read(
    log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["db", "export-subject", "--db", log, "--device", "hallway", "--from", "2026-11-22T12:00Z"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    file = tmp_path / "hallway.ndjson"
    assert main([*command, "--out", str(file)]) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().splitlines()[1:] == lines[1:]
    records = [json.loads(line) for line in lines]
    assert records[0]["from"] == "2026-11-22T12:00:00.000+00:00"
    observation = next(record for record in records if record["record"] == "observation")
    assert msgspec.convert(observation["at"], datetime) == START + timedelta(minutes=5)


def test_an_unknown_device_and_an_unwritable_file_are_named(
    log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["db", "export-subject", "--db", log, "--device", "attic"]) == 2
    error = capsys.readouterr().err
    assert "attic" in error
    assert "hallway, kitchen" in error
    out = tmp_path / "missing" / "file"
    assert main(["db", "export-subject", "--db", log, "--device", "hallway", "--out", str(out)]) == 5
    assert f"{out} cannot be written" in capsys.readouterr().err
