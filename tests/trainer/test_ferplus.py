from pathlib import Path

import numpy as np
import pytest

from mien.errors import DataError
from mien.trainer.ferplus import majority_accuracy, mix, read_ferplus

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"


def written(folder: Path, text: str) -> Path:
    file = folder / "fer2013new.csv"
    file.write_text(text)
    return file


def test_votes_stand_in_the_order_of_the_emotions(tmp_path: Path) -> None:
    file = written(tmp_path, HEADER + "Training,a.png,4,0,0,1,3,2,0,0,0,0\nTraining,b.png,0,0,0,0,0,0,0,5,5,0\n")
    assert read_ferplus(file, 2).tolist() == [[3, 2, 0, 0, 1, 0, 4], [0] * 7]


def test_half_of_a_target_is_the_label_and_all_of_it_where_nobody_voted() -> None:
    votes = np.array([[0, 0, 0, 3, 0, 0, 2], [0] * 7], np.float32)
    targets = mix(np.array([6, 2], np.uint8), votes)
    assert targets[0].tolist() == pytest.approx([0, 0, 0, 0.3, 0, 0, 0.7])
    assert targets[1].tolist() == [0, 0, 1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Usage,neutral\n", "lacks the column anger, disgust, fear"),
        (HEADER + "Training,a.png,4,0,0,1,3,2,0,0,0,0\n", "has 1 rows for 2 pictures"),
        (HEADER + "Training,a.png,x,0,0,1,3,2,0,0,0,0\n", "is damaged after 2 lines"),
        (HEADER + "Training,a.png,4,0\n", "is damaged after 2 lines"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_ferplus(written(tmp_path, text), 2)


def test_only_pictures_that_most_people_agree_on_count_for_the_majority() -> None:
    votes = np.array([[6, 4, 0, 0, 0, 0, 0], [0, 0, 7, 0, 0, 0, 0], [5, 5, 0, 0, 0, 0, 0]], np.float32)
    assert majority_accuracy(np.array([0, 1, 6]), votes) == 0.5
    assert majority_accuracy(np.array([0]), votes[2:]) is None
