"""What is observed before the clock is set gets its right time."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from outboxes import NOW, Machine

from mien.edge.outbox import Outbox
from mien.observation import decode_observation


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
