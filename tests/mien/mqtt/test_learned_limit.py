from simulated_time import SimulatedTime

from mien.mqtt.learned_limit import EXPIRY_S, MIN_PACKET_BYTES, LearnedLimit
from mien.mqtt.limits import MAX_PACKET_BYTES


def test_each_refusal_halves_the_limit_down_to_the_least() -> None:
    limit = LearnedLimit()
    assert limit.max_packet_bytes == MAX_PACKET_BYTES
    limit.refuse(50_000)
    assert limit.max_packet_bytes == 25_000
    limit.refuse(20_000)
    assert limit.max_packet_bytes == 10_000
    for _ in range(9):
        limit.refuse(limit.max_packet_bytes)
    assert limit.max_packet_bytes == MIN_PACKET_BYTES


def test_a_small_packet_was_not_refused_for_its_size() -> None:
    limit = LearnedLimit()
    limit.refuse(MIN_PACKET_BYTES)
    assert not limit.suspect(MIN_PACKET_BYTES)
    assert not limit.suspect(0)
    assert limit.max_packet_bytes == MAX_PACKET_BYTES


def test_two_connections_in_a_row_that_end_at_a_large_packet_mean_a_limit() -> None:
    limit = LearnedLimit()
    assert not limit.suspect(5000)
    limit.trust()
    assert not limit.suspect(5000)
    assert not limit.suspect(500)  # this one ended for another reason
    assert not limit.suspect(5000)
    assert limit.max_packet_bytes == MAX_PACKET_BYTES
    assert limit.suspect(50_000)
    assert limit.max_packet_bytes == 6250
    assert not limit.suspect(5000)
    assert limit.suspect(5000)
    assert limit.max_packet_bytes == MIN_PACKET_BYTES


def test_after_an_hour_the_full_size_is_tried_again() -> None:
    time = SimulatedTime()
    limit = LearnedLimit(lambda: time.now_s)
    limit.refuse(5000)
    time.sleep(EXPIRY_S - 1)
    assert limit.max_packet_bytes == 2500
    time.sleep(1)
    assert limit.max_packet_bytes == MAX_PACKET_BYTES
