"""Which connections get a slot, and which is dropped when all are taken."""

import resource

import pytest

from mien.broker.web.connections import MAX_CONNECTIONS, RESERVED_FILES, Connections, Slot, connection_limit
from mien.deploy.systemd_units import DASHBOARD_FILES


def admit(connections: Connections, address: str, dropped: list[str], name: str = "") -> Slot | None:
    return connections.admit(address, lambda: dropped.append(name))


def test_one_address_gets_its_share_and_no_more() -> None:
    connections, dropped = Connections(10, limit_per_address=3), list[str]()
    other = admit(connections, "192.0.2.8", dropped, "other")
    slots = [admit(connections, "192.0.2.7", dropped, f"{number}") for number in range(5)]
    assert dropped == ["0", "1"]
    assert len(connections) == 4
    for slot in slots[2:]:
        assert slot
        connections.serve(slot)
    assert admit(connections, "192.0.2.7", dropped) is None  # all of it are being served
    assert slots[2]
    connections.release(slots[2])
    connections.release(slots[2])
    assert len(connections) == 3
    assert admit(connections, "192.0.2.7", dropped)
    assert other
    assert dropped == ["0", "1"]


def test_when_all_slots_are_taken_the_one_that_waits_longest_makes_room() -> None:
    connections, dropped = Connections(3, limit_per_address=2), list[str]()
    first, second, third = (admit(connections, f"192.0.2.{number}", dropped, f"{number}") for number in (1, 2, 3))
    assert first
    assert second
    assert third
    connections.serve(first)
    fourth = admit(connections, "192.0.2.4", dropped, "4")
    assert dropped == ["2"]
    assert fourth
    connections.serve(third)
    connections.serve(fourth)
    assert admit(connections, "192.0.2.5", dropped) is None  # all are being served
    connections.wait(second)  # it has been dropped
    connections.wait(first)
    assert admit(connections, "192.0.2.5", dropped)
    assert dropped == ["2", "1"]


def test_there_are_fewer_connections_than_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
        assert connection_limit() == 300 - RESERVED_FILES
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(DASHBOARD_FILES, hard), hard))
        assert connection_limit() == MAX_CONNECTIONS
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(("address", "same"), [("2001:db8::1", "2001:db8::2"), ("192.0.2.1", "::ffff:192.0.2.1")])
def test_an_address_cannot_pass_for_several(address: str, same: str) -> None:
    connections, dropped = Connections(10, limit_per_address=1), list[str]()
    assert admit(connections, address, dropped, "first")
    assert admit(connections, same, dropped, "second")
    assert dropped == ["first"]
