"""The drift of the devices in the collector's metrics: measured when they are read, and not too often."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest
from postgresql import reading_url
from prometheus_client import CollectorRegistry, generate_latest
from samples import make_observation

from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.broker.predictions.drift import DriftRow, measure_log_drift
from mien.broker.predictions.drift_gauge import MEASURE_S, DriftGauge
from mien.emotions import EMOTIONS, Emotion
from mien.errors import DatabaseError
from mien.messages.observation import Scores, encode_observation


def drift_row(device: str, index: float | None) -> DriftRow:
    return DriftRow(
        device=device,
        model="0123456789ab",
        observations=400,
        baseline_observations=400,
        stability_index=index,
        has_drifted=index is not None and index > 0.25,
        emotion=None,
        share=None,
        baseline_share=None,
    )


class Log:
    """Stands in for a log: counts how often it is measured, and may fail."""

    def __init__(self) -> None:
        self.rows = [drift_row("hallway", 0.4), drift_row("kitchen", 0.01), drift_row("new", None)]
        self.measured = 0
        self.is_broken = False
        self.now_s = 100.0

    def measure(self) -> Sequence[DriftRow]:
        self.measured += 1
        if self.is_broken:
            raise DatabaseError("the log cannot be read: mend it")
        return self.rows


@pytest.fixture
def log_to_measure() -> Log:
    return Log()


@pytest.fixture
def registry(log_to_measure: Log) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(DriftGauge(log_to_measure.measure, monotonic_s=lambda: log_to_measure.now_s))
    return registry


def exported(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def test_each_device_with_an_index_is_shown(registry: CollectorRegistry) -> None:
    assert exported(registry) == [
        'mien_device_drift{device="hallway"} 0.4',
        'mien_device_drift{device="kitchen"} 0.01',
    ]


def test_it_is_measured_when_it_is_read_and_at_most_every_quarter_of_an_hour(
    log_to_measure: Log, registry: CollectorRegistry
) -> None:
    assert log_to_measure.measured == 0
    exported(registry)
    log_to_measure.now_s += MEASURE_S - 1
    log_to_measure.rows = [drift_row("hallway", 0.5)]
    assert len(exported(registry)) == 2
    assert log_to_measure.measured == 1
    log_to_measure.now_s += 1
    assert exported(registry) == ['mien_device_drift{device="hallway"} 0.5']
    assert log_to_measure.measured == 2


def test_a_log_that_cannot_be_read_shows_nothing_and_is_logged(
    log_to_measure: Log, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    log_to_measure.is_broken = True
    with caplog.at_level(logging.WARNING):
        assert exported(registry) == []
    assert "the drift of the devices cannot be measured: the log cannot be read: mend it" in caplog.text
    log_to_measure.is_broken = False
    log_to_measure.now_s += MEASURE_S
    assert len(exported(registry)) == 2


def test_a_device_whose_predictions_have_changed_is_above_the_alert_s_limit(log: str) -> None:
    engine, outbox = open_for_writing(log), uuid4()
    changes: list[tuple[int, Emotion]] = [(5 * 24, "happy"), (2, "sad")]
    at = [
        (datetime.now(UTC) - timedelta(hours=hours) + timedelta(seconds=number), emotion)
        for hours, emotion in changes
        for number in range(300)
    ]
    observations = [
        make_observation(
            outbox, seq, at=time, emotion=emotion, scores=Scores(**(dict.fromkeys(EMOTIONS, 0.05) | {emotion: 0.7}))
        )
        for seq, (time, emotion) in enumerate(at, 1)
    ]
    received_ms = round(datetime.now(UTC).timestamp() * 1000)
    Store(engine).record(
        [
            decode_message(topic="t", payload=encode_observation(one), received_ms=received_ms, device=one.device)
            for one in observations
        ]
    )
    engine.dispose()
    registry = CollectorRegistry()
    registry.register(DriftGauge(partial(measure_log_drift, reading_url(log))))
    (line,) = exported(registry)
    assert line.startswith('mien_device_drift{device="hallway"} ')
    assert float(line.split()[1]) > 5
