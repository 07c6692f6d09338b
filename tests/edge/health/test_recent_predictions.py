"""The predictions in a health report: those of the last hour, and valid whoever reads them."""

import json

import msgspec
import pytest
from samples import make_health

from mien.edge.health.recent_predictions import RecentPredictions
from mien.messages.health import decode_health, encode_health


def test_shares_and_mean_confidence_are_of_what_was_observed() -> None:
    predictions = RecentPredictions()
    for emotion, confidence in (("happy", 0.9), ("happy", 0.8), ("happy", 0.7), ("sad", 0.4)):
        predictions.record(emotion, confidence)  # type: ignore[arg-type]
    assert predictions.shares() == ({"happy": 0.75, "sad": 0.25}, 0.7)


def test_nothing_is_reported_of_a_device_that_has_observed_nothing() -> None:
    assert RecentPredictions().shares() is None


def test_only_the_last_hour_counts() -> None:
    now_s = 0.0
    predictions = RecentPredictions(now_s=lambda: now_s)
    predictions.record("sad", 0.5)
    now_s = 1800.0
    predictions.record("happy", 0.9)
    now_s = 3600.0
    assert predictions.shares() == ({"happy": 0.5, "sad": 0.5}, 0.7)
    now_s = 3601.0
    assert predictions.shares() == ({"happy": 1.0}, 0.9)
    now_s = 5401.0
    assert predictions.shares() is None


def test_a_face_every_second_for_a_day_takes_the_memory_of_an_hour() -> None:
    now_s = 0.0
    predictions = RecentPredictions(now_s=lambda: now_s)
    for second in range(86_400):
        now_s = float(second)
        predictions.record("neutral", 0.8)
    assert len(predictions._buckets) <= 61
    assert predictions.shares() == ({"neutral": 1.0}, 0.8)


def test_the_report_carries_them() -> None:
    report = msgspec.structs.replace(make_health(), predictions={"happy": 0.75, "sad": 0.25}, mean_confidence=0.7)
    assert decode_health(encode_health(report)) == report
    plain = json.loads(encode_health(report))
    assert (plain["predictions"], plain["mean_confidence"]) == ({"happy": 0.75, "sad": 0.25}, 0.7)


@pytest.mark.parametrize("predictions", [{"bored": 1.0}, {"happy": 1.5}, ["happy"], "happy"])
def test_invalid_predictions_do_not_spoil_the_rest_of_the_report(predictions: object) -> None:
    plain = json.loads(encode_health(make_health())) | {"predictions": predictions, "mean_confidence": 2}
    report = decode_health(json.dumps(plain).encode())
    assert (report.predictions, report.mean_confidence) == (None, None)
    assert report.outbox == make_health().outbox


def test_a_report_of_an_older_release_has_none() -> None:
    plain = json.loads(encode_health(make_health()))
    del plain["predictions"], plain["mean_confidence"]
    assert decode_health(json.dumps(plain).encode()).predictions is None
