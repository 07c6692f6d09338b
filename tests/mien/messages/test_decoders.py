"""Whatever arrives from the network is decoded or raises one kind of error: 2,000 examples per decoder."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import make_health, make_observation
from uuid6 import uuid7

from mien.broker.ingest.message import decode_message
from mien.messages.acknowledgement import Acknowledgement, decode_acknowledgement, encode_acknowledgement
from mien.messages.dropped import Dropped, decode_dropped, encode_dropped
from mien.messages.envelope import decode_envelope
from mien.messages.health import decode_health, encode_health
from mien.messages.motion import MotionState, decode_motion, encode_motion
from mien.messages.observation import decode_observation, encode_observation
from mien.messages.status import (
    CollectorStatus,
    DeviceStatus,
    decode_collector_status,
    decode_device_status,
    encode_collector_status,
    encode_device_status,
)

OUTBOX = UUID("5c7b7a3e-38f0-4a44-9b1d-3d2b3f1f9a10")
OBSERVATION = encode_observation(make_observation(OUTBOX))
DROPPED = encode_dropped(
    Dropped(id=uuid7(), device="hallway", outbox=OUTBOX, seq=9, first=1, last=8, cause="full", at=datetime.now(UTC))
)
HEALTH = encode_health(make_health(OUTBOX))
DECODERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "envelope": (decode_envelope, OBSERVATION),
    "observation": (decode_observation, OBSERVATION),
    "dropped": (decode_dropped, DROPPED),
    "acknowledgement": (
        decode_acknowledgement,
        encode_acknowledgement(Acknowledgement(outbox=OUTBOX, stored=[(1, 3)], rejected=[(4, "no")])),
    ),
    "collector status": (
        decode_collector_status,
        encode_collector_status(CollectorStatus(state="online", instance=uuid4())),
    ),
    "device status": (
        decode_device_status,
        encode_device_status(DeviceStatus(state="online", agent="0.1.0", model="0123456789ab")),
    ),
    "health": (decode_health, HEALTH),
    "motion": (decode_motion, encode_motion(MotionState(state="on", since=datetime.now(UTC)))),
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def payloads(valid: bytes) -> st.SearchStrategy[bytes]:
    """Noise, and a valid message with some bytes changed, with some fields replaced by anything, or cut off."""
    fields = sorted(msgspec.json.decode(valid))

    def change_bytes(changes: list[tuple[int, int]]) -> bytes:
        payload = bytearray(valid)
        for position, value in changes:
            payload[position % len(payload)] = value
        return bytes(payload)

    def replace_fields(changes: dict[str, Any]) -> bytes:
        return msgspec.json.encode(msgspec.json.decode(valid) | changes)

    return (
        st.binary(max_size=300)
        | st.lists(st.tuples(st.integers(0, 4096), st.integers(0, 255)), min_size=1, max_size=8).map(change_bytes)
        | st.dictionaries(st.sampled_from(fields) | st.text(max_size=8), json_values, max_size=3).map(replace_fields)
        | st.integers(0, len(valid)).map(lambda end: valid[:end])
    )


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_returns_its_message_or_raises_one_error(name: str) -> None:
    decode, valid = DECODERS[name]

    @settings(max_examples=2000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(payloads(valid))
    def check(payload: bytes) -> None:
        with suppress(msgspec.DecodeError):
            decode(payload)

    assert decode(valid)
    check()


@settings(max_examples=2000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(payloads(OBSERVATION) | payloads(DROPPED))
def test_an_incoming_message_has_a_body_or_a_reason(payload: bytes) -> None:
    message = decode_message(topic="mien/hallway/observation", payload=payload, received_ms=1, device="hallway")
    assert (message.body is None) == bool(message.reject_reason) == bool(message.reason_text)
    assert (message.envelope is None) == (message.reject_reason == "envelope")
    assert message.body is None or message.body.device == "hallway"
