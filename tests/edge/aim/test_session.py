"""The token of the printed address works once."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from mien.edge.aim.session import Session


def test_a_token_is_exchanged_once() -> None:
    session = Session()
    assert not session.is_taken
    secret = session.open(session.token)
    assert secret is not None
    assert secret != session.token
    assert session.is_taken
    assert session.is_open(secret)
    assert session.open(session.token) is None
    assert session.is_open(secret)


@pytest.mark.parametrize("wrong", ["", "x", "é", "token"])
def test_a_wrong_token_opens_nothing_and_leaves_the_right_one_valid(wrong: str) -> None:
    session = Session()
    assert session.open(wrong) is None
    assert session.open(session.token[:-1]) is None
    assert not session.is_taken
    assert not session.is_open(wrong)
    assert not session.is_open(session.token)
    secret = session.open(session.token)
    assert secret
    assert not session.is_open(wrong)
    assert not session.is_open(session.token)


def test_of_many_browsers_at_once_one_gets_in() -> None:
    session = Session()
    with ThreadPoolExecutor(16) as pool:
        secrets = list(pool.map(session.open, [session.token] * 64))
    assert len([secret for secret in secrets if secret]) == 1


def test_tokens_differ_and_have_128_bits() -> None:
    tokens = {Session().token for _ in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {22}
