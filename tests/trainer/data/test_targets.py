from dataclasses import replace

import numpy as np
import pytest

from mien.emotions import EMOTIONS
from mien.errors import DataError
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.targets import image_weights, smooth_along_confusions, target_distributions


@pytest.fixture
def two_faces() -> Dataset:
    """A face labeled neutral that most people call happy, and one labeled fear that nobody voted on."""
    return Dataset(
        name="two",
        images=np.zeros((2, 48, 48), np.uint8),
        labels=np.array([6, 2], np.uint8),
        splits=np.array(["Training"] * 2),
        votes=np.array([[0, 0, 0, 3, 0, 0, 2], [0] * 7], np.float32),
    )


def test_fer_is_the_label_alone(two_faces: Dataset) -> None:
    assert target_distributions(two_faces, "fer").tolist() == [[0, 0, 0, 0, 0, 0, 1], [0, 0, 1, 0, 0, 0, 0]]


def test_ferplus_is_the_share_of_the_votes_or_the_label_if_nobody_voted(two_faces: Dataset) -> None:
    with_votes, without_votes = target_distributions(two_faces, "ferplus").tolist()
    assert with_votes == pytest.approx([0, 0, 0, 0.6, 0, 0, 0.4])
    assert without_votes == [0, 0, 1, 0, 0, 0, 0]


def test_mix_is_half_of_each(two_faces: Dataset) -> None:
    with_votes, without_votes = target_distributions(two_faces, "mix").tolist()
    assert with_votes == pytest.approx([0, 0, 0, 0.3, 0, 0, 0.7])
    assert without_votes == [0, 0, 1, 0, 0, 0, 0]


def test_missing_votes_are_reported(two_faces: Dataset) -> None:
    with pytest.raises(DataError, match="mix labels need FER\\+: give --ferplus"):
        target_distributions(replace(two_faces, votes=None), "mix")


def test_weights_range_from_none_to_balanced_classes() -> None:
    targets = np.eye(7, dtype=np.float32)[[0] * 8 + [1] * 2]
    assert image_weights(targets, 0.0).tolist() == pytest.approx([1.0] * 10)
    balanced = image_weights(targets, 1.0)
    assert balanced[:8].sum() == pytest.approx(balanced[8:].sum())
    partial = image_weights(targets, 0.5)
    assert partial[9] / partial[0] == pytest.approx(2.0)
    assert partial.mean() == pytest.approx(1.0)


def test_a_label_s_share_goes_to_what_people_confuse_it_with() -> None:
    fear = np.eye(7, dtype=np.float32)[[EMOTIONS.index("fear")]]
    (smoothed,) = smooth_along_confusions(fear, 0.3)
    assert smoothed.sum() == pytest.approx(1)
    assert smoothed[EMOTIONS.index("fear")] == pytest.approx(0.7)
    by_share = [EMOTIONS[index] for index in smoothed.argsort()[::-1]]
    assert by_share[:4] == ["fear", "neutral", "sad", "surprise"]
    assert smoothed[EMOTIONS.index("neutral")] == pytest.approx(0.3 * 0.312 / (1 - 0.140), abs=1e-3)
