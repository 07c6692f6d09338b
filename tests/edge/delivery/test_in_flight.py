"""Rows in flight are due again when they should be, and found by the ranges of an acknowledgement."""

import math

from mien.edge.delivery.in_flight import InFlight


def make_in_flight() -> InFlight:
    return InFlight(first_resend_s=15.0, max_resend_s=40.0)


def test_a_row_is_due_again_at_growing_intervals() -> None:
    in_flight = make_in_flight()
    now_s = 100.0
    for resend_s in (15.0, 30.0, 40.0, 40.0):
        in_flight.add([7], now_s)
        due_s = in_flight.next_due_s()
        assert 0.8 * resend_s <= due_s - now_s <= 1.2 * resend_s
        assert in_flight.find_due(due_s - 0.001) == []
        assert in_flight.find_due(due_s) == [7]
        now_s = due_s


def test_the_rows_of_one_message_are_due_together_and_in_order() -> None:
    in_flight = make_in_flight()
    in_flight.add([3, 1, 2], 0.0)
    in_flight.add([4], 100.0)
    assert in_flight.find_due(in_flight.next_due_s()) == [1, 2, 3]
    in_flight.add([1, 2, 3], 50.0)
    assert 50 + 2 * 12 <= in_flight.next_due_s() <= 50 + 2 * 18


def test_a_row_that_could_not_be_sent_again_stays_due() -> None:
    in_flight = make_in_flight()
    in_flight.add([1, 2], 0.0)
    assert in_flight.find_due(20.0) == [1, 2]
    in_flight.add([1], 20.0)
    assert in_flight.find_due(21.0) == [2]
    in_flight.add([2], 21.0)
    assert in_flight.find_due(22.0) == []


def test_nothing_is_due_once_everything_is_acknowledged() -> None:
    in_flight = make_in_flight()
    in_flight.add([1, 2], 0.0)
    in_flight.discard([1, 2, 3])
    assert (len(in_flight), in_flight.next_due_s()) == (0, math.inf)
    assert in_flight.find_due(1e9) == []


def test_after_a_reconnect_everything_is_due_and_the_intervals_start_again() -> None:
    in_flight = make_in_flight()
    for now_s in (0.0, 20.0, 60.0):
        in_flight.add([1], now_s)
    in_flight.add([2], 60.0)
    in_flight.make_all_due()
    assert in_flight.find_due(60.0) == [1, 2]
    in_flight.add([1, 2], 60.0)
    assert 72 <= in_flight.next_due_s() <= 78


def test_a_row_goes_alone_once_it_was_late_or_has_been_in_two_batches() -> None:
    in_flight = make_in_flight()
    assert not in_flight.goes_alone(1)
    in_flight.add([1], 0.0)
    in_flight.make_all_due()
    in_flight.find_due(1.0)
    assert not in_flight.goes_alone(1)
    in_flight.add([1], 1.0)
    assert in_flight.goes_alone(1)
    in_flight.add([2], 0.0)
    in_flight.find_due(20.0)
    assert in_flight.goes_alone(2)


def test_the_rows_in_ranges_are_found_whatever_the_ranges() -> None:
    in_flight = make_in_flight()
    in_flight.add(range(10, 20), 0.0)
    assert in_flight.find_in([(18, 2**53), (1, 11), (11, 12), (15, 14), (10, 10)]) == [10, 11, 12, 18, 19]
    assert in_flight.find_in([]) == []
