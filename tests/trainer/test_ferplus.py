from pathlib import Path

import numpy as np
import pytest

from mien.errors import DataError
from mien.trainer.ferplus import majority, read_ferplus

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
TWO = np.array(["Training"] * 2)


def written(folder: Path, text: str) -> Path:
    file = folder / "fer2013new.csv"
    file.write_text(text)
    return file


def test_votes_stand_in_the_order_of_the_emotions(tmp_path: Path) -> None:
    file = written(tmp_path, HEADER + "Training,a.png,4,0,0,1,3,2,0,0,0,0\nTraining,b.png,0,0,0,0,0,0,0,5,5,0\n")
    assert read_ferplus(file, TWO).tolist() == [[3, 2, 0, 0, 1, 0, 4], [0] * 7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Usage,neutral\n", "lacks the column anger, disgust, fear"),
        (HEADER + "Training,a.png,4,0,0,1,3,2,0,0,0,0\n", "has 1 rows for 2 pictures"),
        (HEADER + "Training,a.png,x,0,0,1,3,2,0,0,0,0\n", "is damaged after 2 lines"),
        (HEADER + "Training,a.png,4,0\n", "is damaged after 2 lines"),
        (
            HEADER + 2 * "PublicTest,a.png,4,0,0,1,3,2,0,0,0,0\n",
            "calls row 1 PublicTest, the pictures call it Training",
        ),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_ferplus(written(tmp_path, text), TWO)


def test_a_majority_is_more_than_half_of_the_ten() -> None:
    votes = np.array([[6, 4, 0, 0, 0, 0, 0], [0, 0, 7, 0, 0, 0, 0], [5, 5, 0, 0, 0, 0, 0], [0] * 7], np.float32)
    assert majority(votes).tolist() == [True, True, False, False]
