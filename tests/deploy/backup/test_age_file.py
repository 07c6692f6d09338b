"""The encrypted files are those of age: its Rust implementation opens them, and they open its files."""

import io
import os
from collections.abc import Callable

import pyrage
import pytest

from mien.deploy.backup.age_file import CHUNK_BYTES, TAG_BYTES, AgeReader, AgeWriter
from mien.errors import DataError, UsageError

PASSPHRASE = "correct horse battery"  # noqa: S105
LOG2_ROUNDS = 4
"""Guessing is no concern here."""


def encrypt(content: bytes) -> bytes:
    target = io.BytesIO()
    with AgeWriter(target, PASSPHRASE, log2_rounds=LOG2_ROUNDS) as age:
        age.write(content[:1000])
        age.write(content[1000:])
    return target.getvalue()


def decrypt(encrypted: bytes) -> bytes:
    return AgeReader(io.BytesIO(encrypted), PASSPHRASE).readall()


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 200_000])
def test_age_opens_what_was_encrypted(size: int) -> None:
    content = os.urandom(size)
    encrypted = encrypt(content)
    assert pyrage.passphrase.decrypt(encrypted, PASSPHRASE) == content
    assert decrypt(encrypted) == content


def test_what_age_encrypted_is_opened() -> None:
    content = os.urandom(CHUNK_BYTES + 10)
    assert decrypt(pyrage.passphrase.encrypt(content, PASSPHRASE)) == content


def test_a_wrong_passphrase_is_said_to_be_wrong() -> None:
    with pytest.raises(UsageError, match="not the backup's passphrase"):
        AgeReader(io.BytesIO(encrypt(b"secret")), "wrong horse battery")


ENCRYPTED_CHUNK = CHUNK_BYTES + TAG_BYTES


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[: -ENCRYPTED_CHUNK // 2],
        lambda data: data[:-10016],  # the whole last chunk
        lambda data: data + b"x",
        lambda data: data[:-20_000] + bytes([data[-20_000] ^ 1]) + data[-19_999:],
        lambda data: data[:-100] + bytes([data[-100] ^ 1]) + data[-99:],
        lambda data: data.replace(b"\n-> scrypt", b"\n-> X25519", 1),
        lambda data: data.replace(b"-> scrypt ", b"-> scrypt A", 1),
        lambda data: data[:30],
        lambda _: b"",
        lambda _: os.urandom(100_000),
    ],
)
def test_a_changed_or_cut_off_file_is_refused(damage: Callable[[bytes], bytes]) -> None:
    encrypted = encrypt(os.urandom(CHUNK_BYTES + 10_000))
    assert len(encrypted) > 70_000
    with pytest.raises(DataError):
        decrypt(damage(encrypted))


def test_a_changed_header_is_refused_even_with_the_right_key() -> None:
    header, _, rest = encrypt(b"secret").partition(b"\n--- ")
    with pytest.raises(DataError, match="the header of the backup was changed"):
        decrypt(header + b"\n--- " + b"A" * 43 + rest[43:])


def test_a_file_cannot_demand_all_memory() -> None:
    with pytest.raises(DataError, match=r"takes 2\^30 rounds"):
        decrypt(encrypt(b"").replace(b" 4\n", b" 30\n", 1))
