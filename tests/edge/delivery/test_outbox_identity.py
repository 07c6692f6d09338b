"""An outbox belongs to one device on one machine; its rows survive a change of either."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from mosquitto import Mosquitto
from outboxes import TIMESTAMP, SimulatedMachine, append_observations
from recording_collector import RecordingCollector
from samples import make_draft

from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox, OutboxLimits
from mien.edge.delivery.publisher import Publisher
from mien.errors import DatabaseError
from mien.messages.dropped import decode_dropped
from mien.messages.observation import decode_observation
from mien.mqtt.settings import MqttSettings


def read_totals(outbox: Outbox) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and bytes, as the outbox has counted them and as they are."""
    with outbox._file.connection() as database:
        counted = database.execute("SELECT row_count, payload_bytes FROM outbox").fetchone()
        return counted, database.execute("SELECT count(*), sum(length(payload)) FROM message").fetchone()


def test_a_file_copied_to_another_machine_continues_under_a_new_id(
    tmp_path: Path, machine_id_file: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with open_outbox() as outbox:
        first = outbox.append(make_draft(), TIMESTAMP)
        previous_id = outbox.id
        outbox.append(make_draft(), TIMESTAMP)
        with outbox._file.connection() as database:
            database.execute("UPDATE message SET payload = x'00ff' WHERE seq = 2")
        outbox.mark_rejected([(2, "damaged")])
    machine_id_file.write_text("bbbb\n")
    with open_outbox() as outbox:
        assert outbox.id != previous_id
        ((seq, payload),) = outbox.read_publishable(10)
        renamed = decode_observation(payload)
        assert (renamed.id, renamed.seq, renamed.outbox) == (first.id, seq, outbox.id)
        assert outbox.append(make_draft(), TIMESTAMP).seq == 3
        health = outbox.health(SimulatedMachine(tmp_path).clock())
        assert (health.previous_outbox, health.first_seq, health.next_seq) == (previous_id, 1, 4)


def test_after_a_rename_the_waiting_rows_continue_under_a_new_id_and_name(
    tmp_path: Path, open_outbox: Callable[..., Outbox], caplog: pytest.LogCaptureFixture
) -> None:
    with open_outbox() as outbox:
        append_observations(outbox, 3)
        last = outbox.append(make_draft(), TIMESTAMP)
        outbox.delete_stored([1, 3])
        outbox.mark_rejected([(2, "no such emotion")])
        previous_id = outbox.id
    with open_outbox(device="study-on-the-second-floor") as outbox:
        ((seq, payload),) = outbox.read_publishable(10)
        renamed = decode_observation(payload)
        assert (renamed.id, renamed.seq, seq, renamed.at) == (last.id, 5, 5, last.at)
        assert (renamed.device, renamed.outbox) == ("study-on-the-second-floor", outbox.id)
        assert outbox.id != previous_id
        health = outbox.health(SimulatedMachine(tmp_path).clock())
        assert (health.previous_outbox, health.first_seq, health.oldest_seq, health.next_seq) == (None, 5, 5, 6)
        counted, actual = read_totals(outbox)
        assert counted == actual
        new_id = outbox.id
    assert "the outbox was the outbox of hallway: its 1 waiting observations continue in a new one" in caplog.text
    with open_outbox(device="study-on-the-second-floor") as outbox:
        assert outbox.id == new_id
    with open_outbox() as outbox:  # the old name again
        assert outbox.id not in (previous_id, new_id)


def test_a_file_copied_to_another_machine_under_another_name_has_no_previous_outbox(
    tmp_path: Path, machine_id_file: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with open_outbox() as outbox:
        outbox.append(make_draft(), TIMESTAMP)
    machine_id_file.write_text("bbbb\n")
    with open_outbox() as outbox:
        assert outbox.health(SimulatedMachine(tmp_path).clock()).previous_outbox is not None
    with open_outbox(device="attic") as outbox:
        assert outbox.health(SimulatedMachine(tmp_path).clock()).previous_outbox is None


def test_a_declared_loss_is_renamed_too(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    limits = OutboxLimits(max_rows=20)
    with open_outbox(limits) as outbox:
        append_observations(outbox, 21)
    with open_outbox(limits, device="attic") as outbox:
        outbox.finalize(SimulatedMachine(tmp_path).clock(), clock_wait_over=True)
        loss = decode_dropped(outbox.read_publishable(100)[-1][1])
        assert (loss.device, loss.outbox, loss.first, loss.last) == ("attic", outbox.id, 1, 2)
        append_observations(outbox, 1)
        outbox.finalize(SimulatedMachine(tmp_path).clock(), clock_wait_over=True)
        later = decode_dropped(outbox.read_publishable(100)[-1][1])
        assert later.first > loss.seq - 20, "numbers of the old outbox are not declared lost in the new one"
        assert later.id != loss.id


def test_after_a_rename_the_numbers_have_no_holes(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox() as outbox:
        append_observations(outbox, 6)
        outbox.delete_stored([3, 4])
    with open_outbox(device="attic") as outbox:
        assert [seq for seq, _ in outbox.read_publishable(10)] == [7, 8, 9, 10]
        assert outbox.append(make_draft(device="attic"), TIMESTAMP).seq == 11
        health = outbox.health(SimulatedMachine(tmp_path).clock())
        assert (health.first_seq, health.oldest_seq, health.next_seq) == (7, 7, 12)


def test_a_rename_that_fails_changes_nothing(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox() as outbox:
        observation = outbox.append(make_draft(), TIMESTAMP)
        with outbox._file.connection() as database:
            database.execute(
                "CREATE TRIGGER broken BEFORE UPDATE OF payload ON message BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
    with pytest.raises(DatabaseError, match="cannot be opened"):
        open_outbox(device="attic")
    with sqlite3.connect(tmp_path / "outbox.db") as database:
        database.execute("DROP TRIGGER broken")
    with open_outbox() as outbox:
        ((_, payload),) = outbox.read_publishable(10)
        assert decode_observation(payload) == observation


def test_a_renamed_device_s_backlog_arrives_under_its_new_name(
    broker: Mosquitto, open_outbox: Callable[..., Outbox]
) -> None:
    with open_outbox() as outbox:
        append_observations(outbox, 1500)
        old_id = outbox.id
    with (
        open_outbox(device="attic") as outbox,
        RecordingCollector(broker.port) as collector,
        Publisher(
            MqttSettings(port=broker.port),
            device="attic",
            model_id="0123456789ab",
            outbox=outbox,
            clock=Clock("trusted"),
        ) as publisher,
    ):
        assert publisher.drain(30)
        rows = collector.rows()
        assert {(row.device, row.outbox) for row in rows} == {("attic", outbox.id)}
        assert outbox.id != old_id
    assert [row.seq for row in rows] == list(range(1501, 3001))
