"""Free text in messages has a length and a pattern; whatever a device has to say fits."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import make_health

from mien.messages.health import (
    CameraHealth,
    Health,
    SensorHealth,
    VisionHealth,
    decode_health,
    encode_health,
)
from mien.messages.status import decode_device_status
from mien.messages.text import Kind, ShortText, Version, to_short_text


@given(st.text(max_size=500))
def test_any_text_can_be_made_valid(text: str) -> None:
    short = to_short_text(text)
    assert msgspec.convert(short, ShortText) == short
    assert len(short) <= 200


@pytest.mark.parametrize("text", ["a\nb", "a\n", "\x1b[31m", "a\x7f", "a\u202eb", "a\u2028", "x" * 201])
def test_text_that_could_deceive_a_reader_is_invalid(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, ShortText)
    assert msgspec.convert(to_short_text(text), ShortText)


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "0.1.0\n", "=" * 40, "1" * 33])
def test_a_version_is_never_a_formula(formula: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(formula, Version)
    status = msgspec.json.encode({"state": "online", "agent": formula, "model": "0123456789ab"})
    with pytest.raises(msgspec.DecodeError):
        decode_device_status(status)


@pytest.mark.parametrize("version", ["", "0.1.0", "0.2.0.dev3+g12ab34f", "1!2.0"])
def test_release_numbers_are_valid(version: str) -> None:
    assert msgspec.convert(version, Version) == version


@pytest.mark.parametrize("kind", ["", "=pir", "Pir", "pir\n", "p" * 33])
def test_a_kind_is_a_name(kind: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(kind, Kind)


def test_an_invalid_part_of_a_health_report_costs_only_that_part() -> None:
    outbox = make_health().outbox
    camera = CameraHealth(kind="v4l2", state="failing", failures=3, error="line one\nline two" * 100)
    sensor = SensorHealth(kind="pir", state="ok", wakes_last_hour=4, period_s=None)
    health = decode_health(encode_health(Health(outbox=outbox, sensor=sensor, camera=camera)))
    assert health == Health(outbox=outbox, sensor=sensor)


def test_a_valid_health_report_arrives_complete() -> None:
    vision = VisionHealth(
        frames=9,
        faces=3,
        too_small=0,
        blurred=0,
        frame_ms_p50=1.0,
        frame_ms_p95=2.0,
        inference_ms_p50=None,
        inference_ms_p95=None,
        model="0123456789ab",
    )
    health = Health(outbox=make_health().outbox, vision=vision)
    assert decode_health(encode_health(health)) == health


@pytest.mark.parametrize("changes", [{"oldest_seq": 10}, {"first_seq": 7}, {"next_seq": 5}])
def test_contradicting_counters_are_invalid(changes: dict[str, int]) -> None:
    report = msgspec.json.decode(encode_health(make_health()))
    report["outbox"] |= changes
    with pytest.raises(msgspec.DecodeError, match="first_seq"):
        decode_health(msgspec.json.encode(report))
