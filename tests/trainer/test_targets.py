from dataclasses import replace

import numpy as np
import pytest

from mien.errors import DataError
from mien.trainer.dataset import Dataset
from mien.trainer.targets import picture_weights, targets


@pytest.fixture
def two() -> Dataset:
    """Someone whom most call happy, labelled neutral, and someone for whom nobody voted, labelled fear."""
    return Dataset(
        name="two",
        pictures=np.zeros((2, 48, 48), np.uint8),
        labels=np.array([6, 2], np.uint8),
        usages=np.array(["Training"] * 2),
        votes=np.array([[0, 0, 0, 3, 0, 0, 2], [0] * 7], np.float32),
    )


def test_fer_is_the_label_alone(two: Dataset) -> None:
    assert targets(two, "fer").tolist() == [[0, 0, 0, 0, 0, 0, 1], [0, 0, 1, 0, 0, 0, 0]]


def test_ferplus_is_the_share_of_the_votes_and_the_label_where_nobody_voted(two: Dataset) -> None:
    first, second = targets(two, "ferplus").tolist()
    assert first == pytest.approx([0, 0, 0, 0.6, 0, 0, 0.4])
    assert second == [0, 0, 1, 0, 0, 0, 0]


def test_mix_is_half_of_each(two: Dataset) -> None:
    first, second = targets(two, "mix").tolist()
    assert first == pytest.approx([0, 0, 0, 0.3, 0, 0, 0.7])
    assert second == [0, 0, 1, 0, 0, 0, 0]


def test_votes_that_were_not_read_are_asked_for(two: Dataset) -> None:
    with pytest.raises(DataError, match="mix labels need FER\\+: give --ferplus"):
        targets(replace(two, votes=None), "mix")


def test_weights_reach_from_none_to_all_classes_alike() -> None:
    goals = np.eye(7, dtype=np.float32)[[0] * 8 + [1] * 2]
    assert picture_weights(goals, 0.0).tolist() == pytest.approx([1.0] * 10)
    balanced = picture_weights(goals, 1.0)
    assert balanced[:8].sum() == pytest.approx(balanced[8:].sum())
    between = picture_weights(goals, 0.5)
    assert between[9] / between[0] == pytest.approx(2.0)
    assert between.mean() == pytest.approx(1.0)
