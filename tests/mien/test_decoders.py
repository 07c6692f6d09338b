"""Whatever comes from the network is decoded or refused by one error: 2,000 examples a decoder."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import make_health, make_observation
from uuid6 import uuid7

from mien import acknowledgement
from mien.acknowledgement import Acknowledgement
from mien.broker.arrival import decode_arrival
from mien.dropped import Dropped, decode_dropped
from mien.dropped import encode as encode_dropped
from mien.envelope import decode_envelope
from mien.health import decode_health
from mien.health import encode as encode_health
from mien.motion import MotionState, decode_motion
from mien.motion import encode as encode_motion
from mien.observation import decode_observation
from mien.observation import encode as encode_observation
from mien.status import CollectorStatus, DeviceStatus, decode_collector_status, decode_device_status
from mien.status import encode as encode_status

OUTBOX = UUID("5c7b7a3e-38f0-4a44-9b1d-3d2b3f1f9a10")
OBSERVATION = encode_observation(make_observation(OUTBOX))
LOSS = encode_dropped(
    Dropped(id=uuid7(), device="hallway", outbox=OUTBOX, seq=9, first=1, last=8, cause="full", at=datetime.now(UTC))
)
HEALTH = encode_health(make_health(OUTBOX))
DECODERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "envelope": (decode_envelope, OBSERVATION),
    "observation": (decode_observation, OBSERVATION),
    "dropped": (decode_dropped, LOSS),
    "acknowledgement": (
        acknowledgement.decode,
        acknowledgement.encode(Acknowledgement(outbox=OUTBOX, stored=[(1, 3)], rejected=[(4, "no")])),
    ),
    "collector status": (
        decode_collector_status,
        encode_status(CollectorStatus(state="online", instance=uuid4())),
    ),
    "device status": (
        decode_device_status,
        encode_status(DeviceStatus(state="online", agent="0.1.0", model="0123456789ab")),
    ),
    "health": (decode_health, HEALTH),
    "motion": (decode_motion, encode_motion(MotionState(state="on", since=datetime.now(UTC)))),
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def payloads(good: bytes) -> st.SearchStrategy[bytes]:
    """Noise, good messages with some bytes changed, and good ones with some fields of any kind."""
    fields = sorted(msgspec.json.decode(good))

    def spoilt(changes: list[tuple[int, int]]) -> bytes:
        changed = bytearray(good)
        for place, value in changes:
            changed[place % len(changed)] = value
        return bytes(changed)

    def replaced(changes: dict[str, object]) -> bytes:
        return msgspec.json.encode(msgspec.json.decode(good) | changes)

    return (
        st.binary(max_size=300)
        | st.lists(st.tuples(st.integers(0, 4096), st.integers(0, 255)), min_size=1, max_size=8).map(spoilt)
        | st.dictionaries(st.sampled_from(fields) | st.text(max_size=8), json_values, max_size=3).map(replaced)
        | st.integers(0, len(good)).map(lambda end: good[:end])
    )


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_gives_its_message_or_one_error(name: str) -> None:
    decode, good = DECODERS[name]

    @settings(max_examples=2000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(payloads(good))
    def check(payload: bytes) -> None:
        with suppress(msgspec.DecodeError):
            decode(payload)

    assert decode(good)
    check()


@settings(max_examples=2000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(payloads(OBSERVATION) | payloads(LOSS))
def test_an_arrival_is_a_body_or_a_reason(payload: bytes) -> None:
    arrival = decode_arrival(topic="mien/hallway/observation", payload=payload, received_ms=1, device="hallway")
    assert (arrival.body is None) == bool(arrival.flaw) == bool(arrival.reason)
    assert (arrival.envelope is None) == (arrival.flaw == "envelope")
    assert arrival.body is None or arrival.body.device == "hallway"
