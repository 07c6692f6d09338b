"""An outbox that is full says what it lost."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from outboxes import MOMENT, Machine, append, build

from mien.dropped import Dropped, decode_dropped
from mien.edge.outbox import Cap, Outbox
from mien.errors import DatabaseError


def losses(outbox: Outbox) -> list[Dropped]:
    found = []
    for _, payload in outbox.ready(1000):
        if msgspec.json.decode(payload)["kind"] == "dropped":
            found.append(decode_dropped(payload))
    return found


def test_a_full_outbox_drops_its_oldest_rows_and_declares_which(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    clock = Machine(tmp_path).clock()
    with open_outbox(Cap(rows=200)) as outbox:
        append(outbox, 201)
        assert outbox.health(clock).oldest_seq == 1  # the declaration answers for what is gone
        outbox.release(clock, waited=True)
        (loss,) = losses(outbox)
        assert (loss.seq, loss.first, loss.last, loss.cause, loss.outbox) == (202, 1, 3, "full", outbox.id)
        assert [seq for seq, _ in outbox.ready(1000)] == list(range(4, 203))
        health = outbox.health(clock)
        assert (health.dropped, health.waiting, health.next_seq) == (3, 199, 203)


def test_a_declaration_that_was_not_published_takes_in_the_next_loss_and_a_published_one_does_not(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    clock = Machine(tmp_path).clock()
    with open_outbox(Cap(rows=200)) as outbox:
        append(outbox, 210)
        outbox.release(clock, waited=True)
        (loss,) = losses(outbox)
        kept = [seq for seq, _ in outbox.ready(1000)]
        assert (loss.first, loss.last) == (1, min(kept) - 1)
        append(outbox, 10)
        outbox.release(clock, waited=True)
        first, second = losses(outbox)
        assert first == loss
        assert second.first == loss.last + 1
        gone = {seq for one in (first, second) for seq in range(one.first, one.last + 1)}
        kept = [seq for seq, _ in outbox.ready(1000)]
        assert sorted(gone | set(kept)) == list(range(1, outbox.health(clock).next_seq))


def test_the_cap_in_bytes_holds_too(open_outbox: Callable[..., Outbox], tmp_path: Path) -> None:
    with open_outbox(Cap(payload_bytes=20_000)) as outbox:
        append(outbox, 100)
        outbox.release(Machine(tmp_path).clock(), waited=True)
        assert sum(len(payload) for _, payload in outbox.ready(1000)) <= 20_500
        assert losses(outbox)[0].first == 1


def test_a_loss_is_declared_in_the_transaction_that_deletes(open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox(Cap(rows=100)) as outbox:
        append(outbox, 100)
        outbox._file._database.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON observation WHEN NEW.lost_last BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        with pytest.raises(DatabaseError, match="no"):
            outbox.append(build(), MOMENT)
        assert [seq for seq, _ in outbox.ready(1000)] == list(range(1, 101))
        outbox._file._database.execute("DROP TRIGGER broken")
        outbox.append(build(), MOMENT)
        assert outbox.depth() == 100


def test_the_cap_holds_over_restarts_and_failures(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    for _ in range(4):
        with open_outbox(Cap(rows=100)) as outbox:
            append(outbox, 60)
            outbox._file._database.execute("PRAGMA query_only = 1")
            with pytest.raises(DatabaseError):
                append(outbox, 1)
            outbox._file._database.execute("PRAGMA query_only = 0")
            outbox.release(Machine(tmp_path).clock(), waited=True)
            outbox.stored([seq for seq, _ in outbox.ready(1000)][:10])
    with open_outbox(Cap(rows=100)) as outbox:
        (counted,) = outbox._file._database.execute("SELECT held_rows, held_bytes FROM counter").fetchall()
        (really,) = outbox._file._database.execute("SELECT count(*), sum(length(payload)) FROM observation").fetchall()
        assert counted == really
        assert counted[0] <= 100


def test_a_cap_in_bytes_drops_no_more_than_it_must(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox(Cap(payload_bytes=100_000)) as outbox:
        append(outbox, 1000)
        clock = Machine(tmp_path).clock()
        outbox.release(clock, waited=True)
        rows = outbox.ready(2000)
        assert 95_000 < sum(len(payload) for _, payload in rows) <= 100_500
        kept = [seq for seq, payload in rows if msgspec.json.decode(payload)["kind"] == "observation"]
        assert kept[-1] >= outbox.health(clock).next_seq - 2
