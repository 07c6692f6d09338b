"""Many observations and declared losses in one compressed message, for a device that catches up."""

import zlib
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from mien.messages.codec import MessageCodec
from mien.messages.envelope import SCHEMA

MAX_BATCH_MESSAGES = 1000
MAX_BATCH_BYTES = 262_144
"""Of the decompressed batch; a few hundred observations."""
MAX_BATCH_PAYLOAD_BYTES = 49_152
"""Of the compressed batch: below the limits that MQTT brokers set on one message."""
ZLIB_HEADER = b"\x78"
"""The first byte of every zlib stream with a window of 32 KiB (RFC 1950); no JSON text begins with it."""


class Batch(Struct, frozen=True, kw_only=True):
    """On the observation topic, compressed by zlib; only sent while every online collector's status accepts batches."""

    schema: Literal[1] = SCHEMA
    kind: Literal["batch"] = "batch"
    messages: Annotated[list[Raw], Meta(min_length=1, max_length=MAX_BATCH_MESSAGES)]
    """Observations and declared losses, each as it would be sent alone."""


_codec = MessageCodec(Batch)


def encode_batch(messages: Sequence[bytes]) -> bytes:
    """A batch of encoded messages, each of which is valid JSON."""
    return zlib.compress(_codec.encode(Batch(messages=[Raw(message) for message in messages])))


def decode_batch(payload: bytes) -> list[bytes]:
    """The encoded messages of a batch, none of them examined yet. msgspec.DecodeError if the batch is invalid.

    Never decompresses more than MAX_BATCH_BYTES.
    """
    decompressor = zlib.decompressobj()
    try:
        content = decompressor.decompress(payload, MAX_BATCH_BYTES + 1)
    except zlib.error as error:
        raise msgspec.DecodeError(f"a batch that is not compressed by zlib ({error})") from error
    if len(content) > MAX_BATCH_BYTES:
        raise msgspec.DecodeError(f"a batch of more than {MAX_BATCH_BYTES} bytes")
    if not decompressor.eof or decompressor.unused_data:
        raise msgspec.DecodeError("a batch that is cut off or followed by other data")
    return [bytes(message) for message in _codec.decode(content).messages]


def is_batch(payload: bytes) -> bool:
    """Whether a message on the observation topic is meant as a batch."""
    return payload.startswith(ZLIB_HEADER)
