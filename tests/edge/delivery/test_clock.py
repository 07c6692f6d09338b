"""The clock reports whether it is synchronized."""

from pathlib import Path

from mien.edge.delivery.clock import Clock


def test_a_clock_is_unsynced_until_systemd_has_synchronized_it(tmp_path: Path) -> None:
    synchronized_file = tmp_path / "synchronized"
    clock = Clock("ntp", synchronized_file=synchronized_file)
    before = clock.state
    synchronized_file.touch()
    assert (before, clock.state) == ("unsynced", "synced")
    assert clock.now().at.microsecond % 1000 == 0
