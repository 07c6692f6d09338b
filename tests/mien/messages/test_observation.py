from datetime import UTC, datetime

import msgspec
import pytest
from samples import make_observation

from mien.emotions import EMOTIONS
from mien.messages.envelope import decode_envelope
from mien.messages.observation import Scores, decode_observation, encode_observation


def test_an_observation_survives_encoding_and_decoding() -> None:
    observation = make_observation()
    assert decode_observation(encode_observation(observation)) == observation


def test_the_json_form_is_the_documented_one() -> None:
    fields = msgspec.json.decode(encode_observation(make_observation()))
    assert set(fields) == {
        "schema", "kind", "id", "device", "outbox", "seq", "capture", "track", "at", "clock", "emotion", "confidence",
        "scores", "frames", "box", "model", "latency_ms", "agent",
    }  # fmt: skip
    assert list(fields["scores"]) == list(EMOTIONS)
    assert datetime.fromisoformat(fields["at"]) == datetime(2026, 11, 22, 14, 30, 0, 123000, tzinfo=UTC)
    assert fields["id"][14] == "7"


def test_fields_of_a_later_release_are_ignored() -> None:
    payload = encode_observation(make_observation())[:-1] + b',"mood_ring":"green"}'
    assert decode_observation(payload).emotion == "happy"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", 2),
        ("kind", "song"),
        ("id", "no-uuid"),
        ("device", "Hallway"),
        ("device", "a/b"),
        ("seq", 0),
        ("seq", 2**63),
        ("at", "2026-11-22T14:30:00"),
        ("clock", "maybe"),
        ("emotion", "contempt"),
        ("emotion", "sad"),
        ("confidence", 0.6),
        ("confidence", 1.5),
        ("frames", 0),
        ("box", [0.1, 0.1, 0.1]),
        ("box", [0.1, 0.1, 0.1, -0.1]),
        ("model", "ABC"),
        ("latency_ms", -1),
        ("at", "0001-01-01T00:00:00Z"),
        ("at", "9999-12-31T23:59:59Z"),
        ("device", "hallway\n"),
    ],
)
def test_an_invalid_field_is_an_error(field: str, value: object) -> None:
    fields = msgspec.json.decode(encode_observation(make_observation())) | {field: value}
    with pytest.raises(msgspec.DecodeError):
        decode_observation(msgspec.json.encode(fields))


def test_the_envelope_is_readable_if_the_body_is_invalid() -> None:
    observation = make_observation(seq=5)
    fields = msgspec.json.decode(encode_observation(observation)) | {"emotion": "contempt"}
    envelope = decode_envelope(msgspec.json.encode(fields))
    assert (envelope.id, envelope.seq) == (observation.id, 5)


def test_scores_follow_the_order_of_the_emotions() -> None:
    scores = Scores.of([0.1, 0.0, 0.0, 0.2, 0.61234, 0.0, 0.08766])
    assert scores.highest() == ("sad", 0.6123)


@pytest.mark.parametrize("valid", [b'"0.1.0"', b'"happy"', b'"hallway"'])
def test_invalid_utf_8_and_deep_nesting_are_decode_errors(valid: bytes) -> None:
    with pytest.raises(msgspec.DecodeError, match="UTF-8"):
        decode_observation(encode_observation(make_observation()).replace(valid, b'"\xff"', 1))
    with pytest.raises(msgspec.DecodeError, match="nested too deeply"):
        decode_envelope(b'{"x":' + b"[" * 100_000)
