from mien.mqtt.backoff import Backoff
from mien.mqtt.timings import ConnectionTimings

TIMINGS = ConnectionTimings(first_retry_s=1.0, max_retry_s=60.0)


def is_about(delay_s: float, longest_s: float) -> bool:
    """Whether at most half of the delay was left out at random."""
    return longest_s / 2 <= delay_s <= longest_s


def test_the_delay_grows_with_failures_and_with_short_connections() -> None:
    backoff = Backoff(TIMINGS)
    for longest_s in (1, 2, 4):
        backoff.record_failure()
        assert is_about(backoff.next_delay_s(), longest_s)
    for longest_s in (8, 16, 32, 60, 60):
        backoff.record_end(is_short=True)
        assert is_about(backoff.next_delay_s(), longest_s)


def test_a_connection_that_lived_long_starts_it_over() -> None:
    backoff = Backoff(TIMINGS)
    for _ in range(5):
        backoff.next_delay_s()
    backoff.record_end(is_short=False)
    assert is_about(backoff.next_delay_s(), 1)


def test_three_short_connections_are_suspicious_once() -> None:
    backoff = Backoff(TIMINGS)
    suspicions = []
    for _ in range(5):
        backoff.record_end(is_short=True)
        suspicions.append(backoff.is_suspicious)
    assert suspicions == [False, False, True, False, False]


def test_a_broker_that_is_away_in_between_is_not_suspicious() -> None:
    backoff = Backoff(TIMINGS)
    for _ in range(5):
        backoff.record_end(is_short=True)
        assert not backoff.is_suspicious
        backoff.record_failure()
