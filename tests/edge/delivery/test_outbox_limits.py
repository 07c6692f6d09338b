"""A full outbox drops its oldest rows and declares which."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from outboxes import TIMESTAMP, SimulatedMachine, append_observations
from samples import make_draft

from mien.edge.delivery.outbox import Outbox, OutboxLimits
from mien.errors import DatabaseError
from mien.messages.dropped import Dropped, decode_dropped


def read_losses(outbox: Outbox) -> list[Dropped]:
    payloads = [payload for _, payload in outbox.read_publishable(1000)]
    return [decode_dropped(payload) for payload in payloads if msgspec.json.decode(payload)["kind"] == "dropped"]


def test_a_full_outbox_drops_its_oldest_rows_and_declares_which(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    clock = SimulatedMachine(tmp_path).clock()
    with open_outbox(OutboxLimits(max_rows=200)) as outbox:
        append_observations(outbox, 201)
        assert outbox.health(clock).oldest_seq == 1  # the declaration is unacknowledged
        outbox.finalize(clock, clock_wait_over=True)
        (loss,) = read_losses(outbox)
        assert (loss.seq, loss.first, loss.last, loss.cause, loss.outbox) == (202, 1, 3, "full", outbox.id)
        assert [seq for seq, _ in outbox.read_publishable(1000)] == list(range(4, 203))
        health = outbox.health(clock)
        assert (health.dropped, health.waiting, health.next_seq) == (3, 199, 203)


def test_the_next_loss_extends_an_unpublished_declaration_but_not_a_published_one(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    clock = SimulatedMachine(tmp_path).clock()
    with open_outbox(OutboxLimits(max_rows=200)) as outbox:
        append_observations(outbox, 210)
        outbox.finalize(clock, clock_wait_over=True)
        (loss,) = read_losses(outbox)
        remaining = [seq for seq, _ in outbox.read_publishable(1000)]
        assert (loss.first, loss.last) == (1, min(remaining) - 1)
        append_observations(outbox, 10)
        outbox.finalize(clock, clock_wait_over=True)
        first_loss, second_loss = read_losses(outbox)
        assert first_loss == loss
        assert second_loss.first == loss.last + 1
        dropped = {seq for loss in (first_loss, second_loss) for seq in range(loss.first, loss.last + 1)}
        remaining = [seq for seq, _ in outbox.read_publishable(1000)]
        assert sorted(dropped | set(remaining)) == list(range(1, outbox.health(clock).next_seq))


def test_the_limit_in_bytes_is_enforced_too(open_outbox: Callable[..., Outbox], tmp_path: Path) -> None:
    with open_outbox(OutboxLimits(max_payload_bytes=20_000)) as outbox:
        append_observations(outbox, 100)
        outbox.finalize(SimulatedMachine(tmp_path).clock(), clock_wait_over=True)
        assert sum(len(payload) for _, payload in outbox.read_publishable(1000)) <= 20_500
        assert read_losses(outbox)[0].first == 1


def test_a_loss_is_declared_in_the_transaction_that_deletes(open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox(OutboxLimits(max_rows=100)) as outbox:
        append_observations(outbox, 100)
        with outbox._file.connection() as database:
            database.execute(
                "CREATE TRIGGER broken BEFORE INSERT ON message WHEN NEW.dropped_last "
                "BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        with pytest.raises(DatabaseError, match="no"):
            outbox.append(make_draft(), TIMESTAMP)
        assert [seq for seq, _ in outbox.read_publishable(1000)] == list(range(1, 101))
        with outbox._file.connection() as database:
            database.execute("DROP TRIGGER broken")
        outbox.append(make_draft(), TIMESTAMP)
        assert outbox.count_waiting() == 100


def test_the_limit_is_enforced_across_restarts_and_failures(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    limits = OutboxLimits(max_rows=100)
    for _ in range(4):
        with open_outbox(limits) as outbox:
            append_observations(outbox, 60)
            with outbox._file.connection() as database:
                database.execute("PRAGMA query_only = 1")
            with pytest.raises(DatabaseError):
                append_observations(outbox, 1)
            with outbox._file.connection() as database:
                database.execute("PRAGMA query_only = 0")
            outbox.finalize(SimulatedMachine(tmp_path).clock(), clock_wait_over=True)
            outbox.delete_stored([seq for seq, _ in outbox.read_publishable(1000)][:10])
    with open_outbox(limits) as outbox, outbox._file.connection() as database:
        (totals,) = database.execute("SELECT row_count, payload_bytes FROM outbox").fetchall()
        (actual,) = database.execute("SELECT count(*), sum(length(payload)) FROM message").fetchall()
        assert totals == actual
        assert totals[0] <= 100


def test_a_limit_in_bytes_drops_no_more_than_necessary(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox(OutboxLimits(max_payload_bytes=100_000)) as outbox:
        append_observations(outbox, 1000)
        clock = SimulatedMachine(tmp_path).clock()
        outbox.finalize(clock, clock_wait_over=True)
        rows = outbox.read_publishable(2000)
        assert 95_000 < sum(len(payload) for _, payload in rows) <= 100_500
        observations = [seq for seq, payload in rows if msgspec.json.decode(payload)["kind"] == "observation"]
        assert observations[-1] >= outbox.health(clock).next_seq - 2


def test_a_declaration_covers_only_lower_numbers_than_its_own(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    clock = SimulatedMachine(tmp_path).clock()
    with open_outbox(OutboxLimits(max_rows=20)) as outbox:
        append_observations(outbox, 90)  # nothing is published meanwhile: the declarations are extended
        outbox.finalize(clock, clock_wait_over=True)
        losses = read_losses(outbox)
        assert all(loss.last < loss.seq for loss in losses)
        remaining = {seq for seq, _ in outbox.read_publishable(1000)}
        declared = {seq for loss in losses for seq in range(loss.first, loss.last + 1)}
        assert declared | remaining == set(range(1, outbox.health(clock).next_seq))
        dropped = declared - remaining
        assert len(dropped) == outbox.health(clock).dropped
        assert outbox.health(clock).oldest_seq == 1
