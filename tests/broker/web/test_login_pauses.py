"""Who has to wait before the next token is looked at, with a simulated clock."""

import pytest

from mien.broker.web.login_pauses import FORGIVEN_AFTER_S, MAX_PAUSE_S, LoginPauses


class Clock:
    """Seconds, set by the test."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pauses(clock: Clock) -> LoginPauses:
    return LoginPauses(clock)


def test_the_pause_of_an_address_grows_and_ends(pauses: LoginPauses, clock: Clock) -> None:
    waited = []
    for _ in range(14):
        waited.append(pauses.pause_s("192.0.2.7"))
        clock.now_s += waited[-1]
        assert pauses.pause_s("192.0.2.7") == 0
        pauses.add_wrong("192.0.2.7")
    assert waited == [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, MAX_PAUSE_S, MAX_PAUSE_S]
    assert pauses.pause_s("192.0.2.8") == 0
    clock.now_s += FORGIVEN_AFTER_S
    pauses.add_wrong("192.0.2.7")
    assert pauses.pause_s("192.0.2.7") == 0


def test_the_right_token_ends_the_pause(pauses: LoginPauses) -> None:
    for _ in range(5):
        pauses.add_wrong("192.0.2.7")
    pauses.add_right("192.0.2.7")
    pauses.add_wrong("192.0.2.7")
    assert pauses.pause_s("192.0.2.7") == 0


def test_many_addresses_together_wait_but_not_the_owner(pauses: LoginPauses) -> None:
    pauses.add_right("198.51.100.1")
    for number in range(200):
        pauses.add_wrong(f"192.0.2.{number}")
    assert pauses.pause_s("203.0.113.5") == 10
    assert pauses.pause_s("198.51.100.1") == 0
    assert pauses.pause_s("127.0.0.1") == 0


def test_the_addresses_of_an_ipv6_network_count_as_one(pauses: LoginPauses) -> None:
    for number in range(9):
        pauses.add_wrong(f"2001:db8:1:2::{number}")
    assert pauses.pause_s("2001:db8:1:2:ffff::1") == 64
    assert pauses.pause_s("2001:db8:1:3::1") == 0
    for _ in range(9):
        pauses.add_wrong("::ffff:192.0.2.7")
    assert pauses.pause_s("192.0.2.7") == 64


def test_one_warning_a_minute_has_addresses_and_counts(
    pauses: LoginPauses, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    pauses.add_wrong("192.0.2.1")
    for number in range(100):
        clock.now_s += 0.5
        pauses.count_guess(f"192.0.2.{number % 8 + 1}")
    assert caplog.messages == ["wrong or too frequent tokens: 1 from 192.0.2.1"]
    clock.now_s += 10
    pauses.log()
    (line,) = caplog.messages[1:]
    assert line.endswith("13 from 192.0.2.1, 13 from 192.0.2.2, 13 from 192.0.2.3, 61 from 5 other addresses")
    pauses.log()
    assert len(caplog.messages) == 2
