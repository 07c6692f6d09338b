import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from samples import make_observation

from mien.dropped import Dropped, decode_dropped
from mien.edge.clock import Clock, Moment
from mien.edge.outbox import Cap, Outbox
from mien.errors import DatabaseError
from mien.observation import Observation, decode_observation

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
MOMENT = Moment(NOW, "synced", "boot-1", 1000)


def build(**changes: object) -> Callable[[UUID, int], Observation]:
    return lambda outbox, seq: make_observation(outbox, seq, **changes)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    file = tmp_path / "machine-id"
    file.write_text("aaaa\n")
    return file


@pytest.fixture
def open_outbox(tmp_path: Path, machine: Path) -> Callable[..., Outbox]:
    """Open the test's outbox; a small cap if it says so."""
    return lambda cap=None: Outbox(tmp_path / "outbox.db", device="hallway", cap=cap, machine_id=machine)


def append(outbox: Outbox, count: int) -> None:
    for _ in range(count):
        outbox.append(build(), MOMENT)


def find_damage(outbox: Outbox) -> None:
    with outbox._file.reading():
        damage = sqlite3.DatabaseError("malformed")
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage


class Machine:
    """A device's clocks and its start, as a test sets them."""

    def __init__(self, folder: Path) -> None:
        self.wall_s = NOW.timestamp()
        self.running_s = 10.0
        self.synchronised = folder / "synchronised"
        self.boot_id = folder / "boot_id"
        self.boot_id.write_text("boot-1\n")

    def clock(self) -> Clock:
        return Clock(
            "ntp",
            synchronised=self.synchronised,
            boot_id=self.boot_id,
            wall_s=lambda: self.wall_s,
            running_s=lambda: self.running_s,
        )

    def observe(self, outbox: Outbox, clock: Clock) -> Observation:
        moment = clock.moment()
        return outbox.append(build(at=moment.at, clock=moment.state), moment)


def test_unacknowledged_observations_survive_a_restart(open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox() as outbox:
        kept = [outbox.append(build(), MOMENT) for _ in range(3)]
    with open_outbox() as outbox:
        assert [decode_observation(payload) for _, payload in outbox.ready(10)] == kept


def test_numbers_are_gap_free_and_never_used_twice(open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox() as outbox:
        assert [outbox.append(build(), MOMENT).seq for _ in range(3)] == [1, 2, 3]
        outbox.stored([1, 2, 3])
    with open_outbox() as outbox:
        assert outbox.append(build(), MOMENT).seq == 4


def test_an_observation_that_cannot_be_made_takes_no_number(open_outbox: Callable[..., Outbox]) -> None:
    def fail(outbox: UUID, seq: int) -> Observation:
        raise ValueError

    with open_outbox() as outbox:
        with pytest.raises(ValueError):  # noqa: PT011 (it is the test's own)
            outbox.append(fail, MOMENT)
        assert outbox.append(build(), MOMENT).seq == 1


def test_only_stored_rows_are_deleted_and_refused_ones_kept_back(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with open_outbox() as outbox:
        append(outbox, 4)
        outbox.stored([1, 3])
        outbox.refused([(2, "no such emotion")])
        assert [seq for seq, _ in outbox.ready(10)] == [4]
        assert outbox.depth() == 1
    with sqlite3.connect(tmp_path / "outbox.db") as database:
        rows = database.execute("SELECT seq, refused FROM observation ORDER BY seq").fetchall()
    assert rows == [(2, "no such emotion"), (4, None)]


def test_a_file_copied_to_another_machine_counts_under_a_new_name(
    machine: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with open_outbox() as outbox:
        first = outbox.append(build(), MOMENT)
        name = outbox.id
        outbox.append(build(), MOMENT)
        outbox._file._database.execute("UPDATE observation SET payload = x'00ff' WHERE seq = 2")
        outbox.refused([(2, "damaged")])
    machine.write_text("bbbb\n")
    with open_outbox() as outbox:
        assert outbox.id != name
        ((seq, payload),) = outbox.ready(10)
        renamed = decode_observation(payload)
        assert (renamed.id, renamed.seq, renamed.outbox) == (first.id, seq, outbox.id)
        assert outbox.append(build(), MOMENT).seq == 3


def test_the_disk_has_every_commit(open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox() as outbox:
        assert outbox._file._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert outbox._file._database.execute("PRAGMA synchronous").fetchone() == (2,)


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


def test_what_was_made_before_the_clock_was_set_gets_its_right_time(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    machine = Machine(tmp_path)
    machine.wall_s -= timedelta(days=400).total_seconds()  # what a Pi without a network wakes with
    clock = machine.clock()
    with open_outbox() as outbox:
        made = machine.observe(outbox, clock)
        assert made.clock == "unsynced"
        outbox.release(clock, waited=False)
        assert outbox.ready(10) == []
        machine.running_s += 30
        machine.wall_s = NOW.timestamp() + 30
        machine.synchronised.touch()
        outbox.release(clock, waited=False)
        ((_, payload),) = outbox.ready(10)
        sent = decode_observation(payload)
        assert (sent.at, sent.clock, sent.id, sent.seq) == (NOW, "synced", made.id, made.seq)


def test_a_clock_that_is_never_set_holds_nothing_back_for_good(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    machine = Machine(tmp_path)
    clock = machine.clock()
    with open_outbox() as outbox:
        made = machine.observe(outbox, clock)
        outbox.release(clock, waited=True)
        ((_, payload),) = outbox.ready(10)
        machine.synchronised.touch()  # too late: what was published never changes
        outbox.release(clock, waited=True)
        assert outbox.ready(10) == [(1, payload)]
        assert decode_observation(payload) == made


def test_a_time_from_before_the_last_start_is_not_corrected(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    machine = Machine(tmp_path)
    with open_outbox() as outbox:
        made = machine.observe(outbox, machine.clock())
        machine.boot_id.write_text("boot-2\n")
        machine.synchronised.touch()
        outbox.release(machine.clock(), waited=False)
        ((_, payload),) = outbox.ready(10)
        assert decode_observation(payload) == made
        assert outbox.health(machine.clock()).oldest_age_s is None


def test_a_clock_that_jumps_back_breaks_no_order_and_no_id(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    machine = Machine(tmp_path)
    machine.synchronised.touch()
    clock = machine.clock()
    with open_outbox() as outbox:
        made = [machine.observe(outbox, clock)]
        machine.wall_s -= 3600
        machine.running_s += 60
        made.append(machine.observe(outbox, clock))
        assert made[1].at < made[0].at
        assert made[1].id > made[0].id
        assert [decode_observation(payload) for _, payload in outbox.ready(10)] == made
        assert outbox.health(clock).oldest_age_s == 60.0


def test_health_says_which_numbers_a_collector_should_have(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    clock = Machine(tmp_path).clock()
    with open_outbox() as outbox:
        assert (outbox.health(clock).first_seq, outbox.health(clock).oldest_seq) == (1, 1)
        append(outbox, 5)
        outbox.stored([1, 3])
        outbox.refused([(2, "no such emotion")])
        health = outbox.health(clock)
        assert (health.id, health.oldest_seq, health.next_seq) == (outbox.id, 4, 6)
        assert (health.waiting, health.refused, health.oldest_age_s) == (2, 1, 9.0)
        outbox.stored([4, 5])
        assert outbox.health(clock).oldest_seq == 6


def test_a_file_that_is_no_database_is_set_aside_and_a_new_one_begins(
    tmp_path: Path, open_outbox: Callable[..., Outbox], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "outbox.db").write_text("this is not SQLite, it only stands in its place" * 20)
    with open_outbox() as outbox:
        assert outbox.append(build(), MOMENT).seq == 1
        assert outbox.health(Machine(tmp_path).clock()).set_aside == 1
    (kept,) = tmp_path.glob("outbox.db.damaged-*")
    assert kept.read_text().startswith("this is not SQLite")
    assert f"it is kept as {kept}, and a new one begins" in caplog.text


def test_a_file_that_is_damaged_while_in_use_is_set_aside_and_the_next_observation_is_kept(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with open_outbox() as outbox:
        append(outbox, 300)
        outbox._file._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        name = outbox.id
        file = tmp_path / "outbox.db"
        whole = file.read_bytes()
        file.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
        outbox._file._database.execute("PRAGMA shrink_memory")
        kept = outbox.append(build(), MOMENT)
        assert outbox.id != name
        assert kept.outbox == outbox.id
        assert [decode_observation(payload) for _, payload in outbox.ready(10)] == [kept]
    assert len(list(tmp_path.glob("outbox.db.damaged-*"))) == 1


def test_a_full_disk_is_announced_and_counted_and_nothing_is_kept_in_memory(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with open_outbox() as outbox:
        outbox.append(build(), MOMENT)
        (pages,) = outbox._file._database.execute("PRAGMA page_count").fetchone()
        outbox._file._database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(DatabaseError, match=r"outbox.db cannot be used \(database or disk is full\)"):
            append(outbox, 100)
        depth = outbox.depth()
        assert outbox.health(Machine(tmp_path).clock()).not_kept == 1
        outbox._file._database.execute("PRAGMA max_page_count = 1000000")
        assert outbox.append(build(), MOMENT).seq == depth + 1


def test_a_disk_that_cannot_be_written_is_announced(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    with open_outbox() as outbox:
        outbox._file._database.execute("PRAGMA query_only = 1")
        with pytest.raises(DatabaseError, match="attempt to write a readonly database"):
            outbox.append(build(), MOMENT)
        assert outbox.health(Machine(tmp_path).clock()).not_kept == 1


def test_an_outbox_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match=r"outbox.db cannot be made .*: check outbox in agent.toml"):
        Outbox(tmp_path / "file" / "outbox.db", device="hallway")
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(DatabaseError, match=r"folder.db cannot be opened .*: check outbox in agent.toml"):
        Outbox(tmp_path / "folder.db", device="hallway")


def test_an_outbox_of_the_first_release_goes_on(
    tmp_path: Path, machine: Path, open_outbox: Callable[..., Outbox]
) -> None:
    name, payload = "0b6f3a52-4d7f-4a8e-9d5c-6a3d1c2b4e5f", b"{}"
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as first, first:
        first.executescript(
            "CREATE TABLE counter (one INTEGER PRIMARY KEY CHECK (one = 1), outbox TEXT NOT NULL, "
            "machine TEXT NOT NULL, next_seq INTEGER NOT NULL) STRICT;"
            "CREATE TABLE observation (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL, refused TEXT) STRICT;"
            "CREATE INDEX unanswered ON observation (seq) WHERE refused IS NULL;"
        )
        first.execute("INSERT INTO counter VALUES (1, ?, 'aaaa', 8)", (name,))
        first.execute("INSERT INTO observation VALUES (7, ?, NULL)", (payload,))
    with open_outbox() as outbox:
        assert str(outbox.id) == name
        assert outbox.ready(10) == [(7, payload)]
        assert outbox.append(build(), MOMENT).seq == 8


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


def test_a_row_that_was_damaged_before_its_time_was_known_holds_up_nothing(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    machine = Machine(tmp_path)
    clock = machine.clock()
    with open_outbox() as outbox:
        for _ in range(3):
            machine.observe(outbox, clock)
        for seq, spoilt in ((1, b"\x00\xff"), (2, b"[]")):
            outbox._file._database.execute("UPDATE observation SET payload = ? WHERE seq = ?", (spoilt, seq))  # type: ignore[union-attr]
        machine.synchronised.touch()
        outbox.release(clock, waited=False)
        assert [payload for _, payload in outbox.ready(10)][:2] == [b"\x00\xff", b"[]"]
        assert decode_observation(outbox.ready(10)[2][1]).clock == "synced"
    (tmp_path / "machine-id").write_text("cccc\n")  # nor does it keep the agent from starting on another machine
    with open_outbox() as outbox:
        assert len(outbox.ready(10)) == 3


def test_a_damaged_file_that_cannot_be_set_aside_yet_is_tried_again(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    with open_outbox() as outbox:
        append(outbox, 1)
        real = outbox._file._put_aside

        def refuse(error: sqlite3.Error) -> None:
            raise DatabaseError("the disk is full")

        outbox._file._put_aside = refuse  # type: ignore[method-assign]
        with pytest.raises(DatabaseError, match="the disk is full"):
            find_damage(outbox)
        outbox._file._put_aside = real  # type: ignore[method-assign]
        assert outbox.append(build(), MOMENT).seq == 2


def test_a_machine_that_wakes_in_1970_observes_all_the_same(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    machine = Machine(tmp_path)
    machine.wall_s = 12.0
    clock = machine.clock()
    with open_outbox() as outbox:
        assert machine.observe(outbox, clock).at.year == 2000
        machine.running_s, machine.wall_s = machine.running_s + 60, NOW.timestamp()
        machine.synchronised.touch()
        outbox.release(clock, waited=False)
        assert decode_observation(outbox.ready(1)[0][1]).at == NOW - timedelta(seconds=60)
