"""Drift on both databases: two windows of a device's own rows, and what begins them anew."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from postgresql import reading_url
from samples import make_observation
from sqlalchemy import event

from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.broker.predictions.drift import DriftRow, measure_drift, stability_index
from mien.broker.query import EmotionLog
from mien.emotions import EMOTIONS, Emotion
from mien.messages.observation import Observation, Scores, encode_observation

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass(kw_only=True)
class FilledLog:
    """A log with rows of any number of devices."""

    url: str
    outbox: UUID = field(default_factory=uuid4)
    seq: int = 0

    def add(
        self, hours_ago: float, *, device: str = "hallway", model: str = "0123456789ab", **counts: int
    ) -> "FilledLog":
        """So many observations of each emotion, one a second."""
        observations: list[Observation] = []
        for emotion in [name for name in EMOTIONS for _ in range(counts.get(name, 0))]:
            self.seq += 1
            at = NOW - timedelta(hours=hours_ago) + timedelta(seconds=len(observations))
            observations.append(
                make_observation(
                    self.outbox, self.seq, at=at, device=device, model=model, emotion=emotion, scores=scores_of(emotion)
                )
            )
        engine = open_for_writing(self.url)
        received_ms = round(NOW.timestamp() * 1000)
        messages = [
            decode_message(topic="t", payload=encode_observation(one), received_ms=received_ms, device=device)
            for one in observations
        ]
        Store(engine).record(messages)
        engine.dispose()
        return self

    def drift(self) -> list[DriftRow]:
        engine = open_for_reading(reading_url(self.url))
        rows = measure_drift(engine, NOW)
        engine.dispose()
        return rows


def scores_of(emotion: Emotion) -> Scores:
    return Scores(**(dict.fromkeys(EMOTIONS, 0.05) | {emotion: 0.7}))


@pytest.fixture
def filled(log: str) -> FilledLog:
    open_for_writing(log).dispose()
    return FilledLog(url=log)


def test_the_index_is_zero_for_the_same_shares_symmetric_and_finite() -> None:
    assert stability_index([3000, 1000], [600, 200]) == pytest.approx(0, abs=1e-5)
    # (.8 - .5) ln(.8 / .5) + (.2 - .5) ln(.2 / .5), by hand
    assert stability_index([80_000, 20_000], [50_000, 50_000]) == pytest.approx(0.41589, abs=1e-4)
    assert stability_index([5, 995], [995, 5]) == stability_index([995, 5], [5, 995])
    assert stability_index([1000, 0], [0, 1000]) < 20


def test_a_device_whose_predictions_have_changed_has_drifted(filled: FilledLog) -> None:
    filled.add(5 * 24, happy=300, sad=100).add(2, happy=100, sad=300)
    (row,) = filled.drift()
    assert (row.device, row.observations, row.baseline_observations, row.model) == (
        *("hallway", 400, 400),
        "0123456789ab",
    )
    assert row.has_drifted
    assert row.stability_index == pytest.approx(stability_index([100, 300, *[0] * 5], [300, 100, *[0] * 5]), abs=1e-4)
    assert (row.emotion, row.share, row.baseline_share) == ("happy", 0.25, 0.75)


def test_a_device_is_compared_with_nothing_but_its_own_past(filled: FilledLog) -> None:
    filled.add(5 * 24, device="attic", happy=400).add(2, device="attic", happy=390, sad=10)
    filled.add(5 * 24, device="cellar", sad=400).add(2, device="cellar", sad=400)
    filled.add(30, device="offline", sad=400)  # nothing in the last day
    rows = filled.drift()
    assert [(row.device, row.has_drifted) for row in rows] == [("attic", False), ("cellar", False)]
    assert all(row.stability_index is not None and row.stability_index < 0.1 for row in rows)


@pytest.mark.parametrize(("current", "baseline"), [(299, 400), (400, 299)])
def test_fewer_than_300_rows_prove_nothing(filled: FilledLog, current: int, baseline: int) -> None:
    filled.add(5 * 24, happy=baseline).add(2, sad=current)
    (row,) = filled.drift()
    assert (row.stability_index, row.has_drifted, row.emotion) == (None, False, None)
    assert (row.observations, row.baseline_observations) == (current, baseline)


def test_rows_older_than_the_two_windows_do_not_count(filled: FilledLog) -> None:
    filled.add(16 * 24, happy=400).add(2, sad=400)
    (row,) = filled.drift()
    assert (row.baseline_observations, row.has_drifted) == (0, False)


def test_a_new_model_begins_new_windows(filled: FilledLog) -> None:
    filled.add(5 * 24, happy=400, model="aaaaaaaaaaaa").add(2, sad=400, model="bbbbbbbbbbbb")
    (row,) = filled.drift()
    assert (row.model, row.baseline_observations, row.has_drifted) == ("bbbbbbbbbbbb", 0, False)
    filled.add(10 * 24, surprise=400, model="bbbbbbbbbbbb")  # of before another model was tried
    (row,) = filled.drift()
    assert (row.baseline_observations, row.has_drifted) == (0, False)
    filled.add(4 * 24, happy=400, model="bbbbbbbbbbbb")
    (row,) = filled.drift()
    assert (row.baseline_observations, row.has_drifted) == (400, True)


def test_a_model_that_began_a_few_hours_ago_counts_from_its_first_full_quarter_of_an_hour(filled: FilledLog) -> None:
    filled.add(5 * 24, happy=400, model="aaaaaaaaaaaa").add(5, happy=400, model="aaaaaaaaaaaa")
    filled.add(4.9, sad=100, model="bbbbbbbbbbbb")  # after the other one in the same quarter of an hour
    filled.add(4.7, sad=310, model="bbbbbbbbbbbb").add(1, sad=5, model="bbbbbbbbbbbb")
    (row,) = filled.drift()
    assert (row.model, row.observations, row.baseline_observations) == ("bbbbbbbbbbbb", 315, 0)


def test_rows_that_retention_has_deleted_do_not_count(filled: FilledLog) -> None:
    filled.add(5 * 24, happy=400).add(2, happy=350).add(1, sad=20)
    engine = open_for_writing(filled.url)
    with engine.begin() as connection:  # as retention does: counts keep what was deleted
        connection.exec_driver_sql("DELETE FROM observation WHERE emotion = 3")
        connection.exec_driver_sql("UPDATE rollup SET happy_deleted = happy")
    engine.dispose()
    (row,) = filled.drift()
    assert (row.observations, row.baseline_observations, row.stability_index) == (20, 0, None)


def test_the_number_of_statements_does_not_grow_with_the_devices(filled: FilledLog) -> None:
    def count_statements() -> int:
        engine, statements = open_for_reading(reading_url(filled.url)), []
        event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
        measure_drift(engine, NOW)
        engine.dispose()
        return len(statements)

    def add(device: str) -> None:
        filled.add(5 * 24, device=device, happy=1, model="aaaaaaaaaaaa").add(2, device=device, sad=1)

    add("first")
    few = count_statements()
    for number in range(10):
        add(f"more-{number}")
    assert count_statements() == few
    assert len(filled.drift()) == 11


def test_rows_whose_model_is_unknown_because_they_were_deleted_do_not_count(filled: FilledLog) -> None:
    filled.add(5 * 24, happy=400).add(2, sad=400)
    engine = open_for_writing(filled.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM observation WHERE emotion = 3")
    engine.dispose()
    (row,) = filled.drift()
    assert (row.observations, row.baseline_observations, row.has_drifted) == (400, 0, False)


def test_the_log_measures_it_up_to_now(log: str) -> None:
    open_for_writing(log).dispose()
    with EmotionLog(reading_url(log)) as emotion_log:
        result = emotion_log.drift()
    assert len(result) == 0
    assert {"device", "stability_index", "has_drifted"} <= result.columns.keys()
