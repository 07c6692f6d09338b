"""Sessions end when they should."""

from mien.broker.web.sessions import MAX_SESSIONS, SESSION_S, Sessions


def test_a_session_ends_when_it_is_ended_or_after_thirty_days() -> None:
    now_s = [0.0]
    sessions = Sessions(lambda: now_s[0])
    first, second = sessions.open(), sessions.open()
    assert sessions.is_open(first)
    assert not sessions.is_open("")
    sessions.end(first)
    sessions.end("unknown")
    assert not sessions.is_open(first)
    now_s[0] = SESSION_S - 1
    assert sessions.is_open(second)
    now_s[0] = SESSION_S
    assert not sessions.is_open(second)


def test_the_oldest_of_too_many_sessions_ends() -> None:
    sessions = Sessions()
    secrets = [sessions.open() for _ in range(MAX_SESSIONS + 1)]
    assert [sessions.is_open(secret) for secret in (secrets[0], secrets[1], secrets[-1])] == [False, True, True]
