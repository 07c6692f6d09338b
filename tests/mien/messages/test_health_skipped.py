"""Health tells what was found and not reported, by reason; releases before and after know other reasons."""

import msgspec
import pytest
from samples import make_health

from mien.messages.health import SKIP_REASONS, Health, VisionHealth, decode_health, encode_health

VISION = VisionHealth(
    frames=10,
    faces=5,
    too_small=1,
    blurred=2,
    skipped={"small": 1, "blurred": 2, "still": 60},
    frame_ms_p50=None,
    frame_ms_p95=None,
    inference_ms_p50=None,
    inference_ms_p95=None,
)


def with_vision(**changes: object) -> bytes:
    vision = msgspec.to_builtins(VISION) | changes
    health = msgspec.to_builtins(make_health()) | {"vision": vision}
    return msgspec.json.encode(health)


def test_the_counts_arrive() -> None:
    report = decode_health(encode_health(Health(outbox=make_health().outbox, vision=VISION)))
    assert report.vision == VISION


def test_a_report_of_a_release_without_reasons_is_read() -> None:
    report = msgspec.json.decode(encode_health(Health(outbox=make_health().outbox, vision=VISION)))
    del report["vision"]["skipped"]
    vision = decode_health(msgspec.json.encode(report)).vision
    assert vision is not None
    assert (vision.skipped, vision.blurred) == ({}, 2)


def test_a_reason_of_a_newer_release_is_kept() -> None:
    vision = decode_health(with_vision(skipped={"upside_down": 3})).vision
    assert vision is not None
    assert vision.skipped == {"upside_down": 3}


@pytest.mark.parametrize(
    "skipped",
    [{f"reason-{number}": 1 for number in range(17)}, {"small": -1}, {"no such\nreason": 1}, {"x" * 40: 1}, "many"],
)
def test_counts_that_are_too_many_or_malformed_are_left_out(skipped: object) -> None:
    report = decode_health(with_vision(skipped=skipped))
    assert report.vision is None
    assert report.outbox == make_health().outbox


def test_every_reason_fits_in() -> None:
    vision = msgspec.structs.replace(VISION, skipped=dict.fromkeys(SKIP_REASONS, 2**53))
    assert decode_health(encode_health(Health(outbox=make_health().outbox, vision=vision))).vision == vision
