"""Files encrypted with a passphrase in the format of age, so that `age --decrypt` opens them without mien.

Format: https://age-encryption.org/v1. The file's key is wrapped by scrypt and the passphrase; the payload is a series
of chunks of ChaCha20-Poly1305, of which the last is marked: a file that was cut off or changed is not accepted.
"""

import io
import os
import re
from base64 import b64decode, b64encode
from binascii import Error as InvalidBase64
from typing import IO

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mien.errors import DataError, UsageError

INTRODUCTION = b"age-encryption.org/v1\n"
SCRYPT_LABEL = b"age-encryption.org/v1/scrypt"
LOG2_ROUNDS = 18
"""scrypt's work factor, as age's own programs choose it: 256 MiB and about a second for each guess."""
MAX_LOG2_ROUNDS = 20
"""The header says how much memory the passphrase takes: no file may take more than 1 GiB."""
CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
FILE_KEY_BYTES = 16
MAX_LINE_BYTES = 200


class AgeWriter(io.RawIOBase):
    """Encrypts what is written into `target`; the file is complete once this is closed."""

    def __init__(self, target: IO[bytes], passphrase: str, *, log2_rounds: int = LOG2_ROUNDS) -> None:
        """Write the header."""
        super().__init__()
        self._target = target
        file_key, salt, nonce = os.urandom(FILE_KEY_BYTES), os.urandom(16), os.urandom(16)
        wrapped = ChaCha20Poly1305(_stretch(passphrase, salt, log2_rounds)).encrypt(bytes(12), file_key, None)
        header = INTRODUCTION + b"-> scrypt %s %d\n%s\n---" % (_to_base64(salt), log2_rounds, _to_base64(wrapped))
        mac = HMAC(_derive(file_key, b"", b"header"), SHA256())
        mac.update(header)
        target.write(header + b" " + _to_base64(mac.finalize()) + b"\n" + nonce)
        self._cipher = ChaCha20Poly1305(_derive(file_key, nonce, b"payload"))
        self._counter = 0
        self._waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # any bytes, as every caller here has
        self._waiting += data
        while len(self._waiting) > CHUNK_BYTES:  # the last chunk may be full, but not empty
            self._write_chunk(bytes(self._waiting[:CHUNK_BYTES]), is_last=False)
            del self._waiting[:CHUNK_BYTES]
        return len(data)

    def close(self) -> None:
        """Write the rest; `target` stays open."""
        if not self.closed:
            self._write_chunk(bytes(self._waiting), is_last=True)
        super().close()

    def _write_chunk(self, chunk: bytes, *, is_last: bool) -> None:
        self._target.write(self._cipher.encrypt(_chunk_nonce(self._counter, is_last=is_last), chunk, None))
        self._counter += 1


class AgeReader(io.RawIOBase):
    """Decrypts a file that `source` contains; reading raises DataError where it was changed or cut off."""

    def __init__(self, source: IO[bytes], passphrase: str) -> None:
        """DataError if it is no such file, UsageError if the passphrase is not its passphrase."""
        super().__init__()
        self._source = source
        file_key = _open_header(source, passphrase)
        nonce = source.read(16)
        self._cipher = ChaCha20Poly1305(_derive(file_key, nonce, b"payload"))
        self._counter = 0
        self._encrypted = source.read(CHUNK_BYTES + TAG_BYTES)
        self._decrypted = memoryview(b"")
        self._is_last = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        if not self._decrypted and not self._is_last:
            self._read_chunk()
        size = min(len(buffer), len(self._decrypted))
        buffer[:size] = self._decrypted[:size]
        self._decrypted = self._decrypted[size:]
        return size

    def _read_chunk(self) -> None:
        following = self._source.read(CHUNK_BYTES + TAG_BYTES)
        self._is_last = not following
        try:
            chunk = self._cipher.decrypt(_chunk_nonce(self._counter, is_last=self._is_last), self._encrypted, None)
        except InvalidTag as error:
            raise DataError("the backup is damaged or incomplete: use another copy of it") from error
        self._counter += 1
        self._encrypted, self._decrypted = following, memoryview(chunk)


def _open_header(source: IO[bytes], passphrase: str) -> bytes:
    """The file's key."""
    lines = [source.readline(MAX_LINE_BYTES) for _ in range(4)]
    stanza = re.fullmatch(rb"-> scrypt ([A-Za-z0-9+/]{22}) (\d{1,2})\n", lines[1])
    if lines[0] != INTRODUCTION or stanza is None or not lines[3].startswith(b"--- "):
        raise DataError("this is not a file that was encrypted with a passphrase: name one of `mien server backup`")
    log2_rounds = int(stanza[2])
    if not 1 <= log2_rounds <= MAX_LOG2_ROUNDS:
        raise DataError(f"the passphrase of this file takes 2^{log2_rounds} rounds: decrypt it with age")
    try:
        salt, wrapped, mac = _from_base64(stanza[1]), _from_base64(lines[2]), _from_base64(lines[3][4:])
        file_key = ChaCha20Poly1305(_stretch(passphrase, salt, log2_rounds)).decrypt(bytes(12), wrapped, None)
    except InvalidBase64 as error:
        raise DataError("the header of the backup is damaged: use another copy of it") from error
    except InvalidTag as error:
        raise UsageError("this is not the backup's passphrase: enter the one that it was encrypted with") from error
    verifier = HMAC(_derive(file_key, b"", b"header"), SHA256())
    verifier.update(b"".join(lines[:3]) + b"---")
    try:
        verifier.verify(mac)
    except InvalidSignature as error:
        raise DataError("the header of the backup was changed: use another copy of it") from error
    return file_key


def _stretch(passphrase: str, salt: bytes, log2_rounds: int) -> bytes:
    return Scrypt(salt=SCRYPT_LABEL + salt, length=32, n=1 << log2_rounds, r=8, p=1).derive(passphrase.encode())


def _derive(file_key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(file_key)


def _chunk_nonce(counter: int, *, is_last: bool) -> bytes:
    return counter.to_bytes(11, "big") + bytes([is_last])


def _to_base64(data: bytes) -> bytes:
    return b64encode(data).rstrip(b"=")


def _from_base64(text: bytes) -> bytes:
    text = text.rstrip(b"\n")
    return b64decode(text + b"=" * (-len(text) % 4), validate=True)
