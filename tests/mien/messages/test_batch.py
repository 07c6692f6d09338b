"""A batch carries messages unchanged, and whatever else arrives under its header is one kind of error."""

import tracemalloc
import zlib
from contextlib import suppress

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import make_observation

from mien.messages.batch import (
    MAX_BATCH_BYTES,
    MAX_BATCH_MESSAGES,
    decode_batch,
    encode_batch,
    is_batch,
)
from mien.messages.observation import encode_observation

MESSAGES = [encode_observation(make_observation(seq=seq)) for seq in range(1, 6)]


def compress(content: bytes) -> bytes:
    return zlib.compress(content)


def test_messages_arrive_unchanged_and_in_order() -> None:
    payload = encode_batch(MESSAGES)
    assert is_batch(payload)
    assert not is_batch(MESSAGES[0])
    assert decode_batch(payload) == MESSAGES


def test_the_compressed_content_names_its_kind_and_schema() -> None:
    content = msgspec.json.decode(zlib.decompress(encode_batch(MESSAGES)))
    assert (content["schema"], content["kind"], len(content["messages"])) == (1, "batch", 5)


def test_what_is_no_message_is_still_an_element_of_its_own() -> None:
    payload = compress(b'{"schema":1,"kind":"batch","messages":[{"a":1}, 7 , null,"x",[1]]}')
    assert decode_batch(payload) == [b'{"a":1}', b"7", b"null", b'"x"', b"[1]"]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"x", "cut off"),
        (b"\x78\xff\xff", "not compressed"),
        (encode_batch(MESSAGES)[:-1], "cut off"),
        (encode_batch(MESSAGES)[:-40], "cut off"),
        (encode_batch(MESSAGES) + b"x", "followed by other data"),
        (compress(b" " * (MAX_BATCH_BYTES + 1)), "more than 262144 bytes"),
        (compress(b'{"schema":1,"kind":"batch","messages":[]}'), "length >= 1"),
        (compress(b'{"schema":1,"kind":"batch","messages":[%s1]}' % (b"1," * MAX_BATCH_MESSAGES)), "length <= 1000"),
        (compress(b'{"schema":2,"kind":"batch","messages":[1]}'), "schema"),
        (compress(b'{"schema":1,"kind":"observation","messages":[1]}'), "kind"),
        (compress(MESSAGES[0]), "kind"),
        (compress(b"[1,2]"), "object"),
        (compress(b'{"schema":1,"kind":"batch","messages":[1,2'), "truncated"),
        (compress(b'{"schema":1,"kind":"batch","messages":[%s]}' % (b"[" * 100_000)), "nested too deeply"),
        (compress(encode_batch(MESSAGES)), "malformed"),
    ],
)
def test_an_invalid_batch_is_one_error(payload: bytes, reason: str) -> None:
    with pytest.raises(msgspec.DecodeError, match=reason):
        decode_batch(payload)


def test_a_bomb_is_not_decompressed() -> None:
    bomb = compress(bytes(200_000_000))
    assert len(bomb) < 200_000
    tracemalloc.start()
    try:
        with pytest.raises(msgspec.DecodeError, match="more than"):
            decode_batch(bomb)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4 * MAX_BATCH_BYTES


@settings(max_examples=2000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300).map(lambda noise: b"\x78" + noise) | st.binary(max_size=300).map(zlib.compress))
def test_noise_is_a_batch_or_one_error(payload: bytes) -> None:
    with suppress(msgspec.DecodeError):
        decode_batch(payload)
