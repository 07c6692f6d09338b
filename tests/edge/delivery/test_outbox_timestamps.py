"""Observations made before the clock is synchronized get the correct time."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from outboxes import NOW, SimulatedMachine

from mien.edge.delivery.outbox import Outbox
from mien.messages.observation import decode_observation


def test_the_time_of_an_observation_is_corrected_once_the_clock_is_synchronized(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    machine = SimulatedMachine(tmp_path)
    machine.wall_s -= timedelta(days=400).total_seconds()  # the clock of a Pi that boots without a network
    clock = machine.clock()
    with open_outbox() as outbox:
        observation = machine.observe(outbox, clock)
        assert observation.clock == "unsynced"
        outbox.finalize(clock, clock_wait_over=False)
        assert outbox.read_publishable(10) == []
        machine.uptime_s += 30
        machine.wall_s = NOW.timestamp() + 30
        machine.is_synchronized = True
        outbox.finalize(clock, clock_wait_over=False)
        ((_, payload),) = outbox.read_publishable(10)
        sent = decode_observation(payload)
        assert (sent.at, sent.clock, sent.id, sent.seq) == (NOW, "synced", observation.id, observation.seq)


def test_a_clock_that_is_never_synchronized_does_not_hold_back_observations_forever(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    machine = SimulatedMachine(tmp_path)
    clock = machine.clock()
    with open_outbox() as outbox:
        observation = machine.observe(outbox, clock)
        outbox.finalize(clock, clock_wait_over=True)
        ((_, payload),) = outbox.read_publishable(10)
        machine.is_synchronized = True  # too late: a published observation never changes
        outbox.finalize(clock, clock_wait_over=True)
        assert outbox.read_publishable(10) == [(1, payload)]
        assert decode_observation(payload) == observation


def test_a_time_from_before_the_last_boot_is_not_corrected(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    machine = SimulatedMachine(tmp_path)
    with open_outbox() as outbox:
        observation = machine.observe(outbox, machine.clock())
        machine.boot_id_file.write_text("boot-2\n")
        machine.is_synchronized = True
        outbox.finalize(machine.clock(), clock_wait_over=False)
        ((_, payload),) = outbox.read_publishable(10)
        assert decode_observation(payload) == observation
        assert outbox.health(machine.clock()).oldest_age_s is None


def test_a_clock_that_jumps_back_changes_neither_order_nor_ids(
    tmp_path: Path, open_outbox: Callable[..., Outbox]
) -> None:
    machine = SimulatedMachine(tmp_path)
    machine.is_synchronized = True
    clock = machine.clock()
    with open_outbox() as outbox:
        observations = [machine.observe(outbox, clock)]
        machine.wall_s -= 3600
        machine.uptime_s += 60
        observations.append(machine.observe(outbox, clock))
        assert observations[1].at < observations[0].at
        assert observations[1].id > observations[0].id
        assert [decode_observation(payload) for _, payload in outbox.read_publishable(10)] == observations
        assert outbox.health(clock).oldest_age_s == 60.0


def test_a_damaged_row_does_not_block_the_correction_of_others(
    tmp_path: Path, machine_id_file: Path, open_outbox: Callable[..., Outbox]
) -> None:
    machine = SimulatedMachine(tmp_path)
    clock = machine.clock()
    with open_outbox() as outbox:
        for _ in range(3):
            machine.observe(outbox, clock)
        with outbox._file.connection() as database:
            for seq, damaged in ((1, b"\x00\xff"), (2, b"[]")):
                database.execute("UPDATE message SET payload = ? WHERE seq = ?", (damaged, seq))
        machine.is_synchronized = True
        outbox.finalize(clock, clock_wait_over=False)
        assert [payload for _, payload in outbox.read_publishable(10)][:2] == [b"\x00\xff", b"[]"]
        assert decode_observation(outbox.read_publishable(10)[2][1]).clock == "synced"
    machine_id_file.write_text("cccc\n")  # nor does it keep the agent from starting on another machine
    with open_outbox() as outbox:
        assert len(outbox.read_publishable(10)) == 3


def test_a_machine_that_boots_in_1970_observes_nevertheless(tmp_path: Path, open_outbox: Callable[..., Outbox]) -> None:
    machine = SimulatedMachine(tmp_path)
    machine.wall_s = 12.0
    clock = machine.clock()
    with open_outbox() as outbox:
        assert machine.observe(outbox, clock).at.year == 2000
        machine.uptime_s, machine.wall_s = machine.uptime_s + 60, NOW.timestamp()
        machine.is_synchronized = True
        outbox.finalize(clock, clock_wait_over=False)
        assert decode_observation(outbox.read_publishable(1)[0][1]).at == NOW - timedelta(seconds=60)
