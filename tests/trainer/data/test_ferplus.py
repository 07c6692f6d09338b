from pathlib import Path

import numpy as np
import pytest

from mien.errors import DataError
from mien.trainer.data.ferplus import has_majority, read_ferplus

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
TWO_SPLITS = np.array(["Training"] * 2)


def write_ferplus(folder: Path, text: str) -> Path:
    file = folder / "fer2013new.csv"
    file.write_text(text)
    return file


def test_votes_are_in_the_order_of_the_emotions(tmp_path: Path) -> None:
    file = write_ferplus(tmp_path, HEADER + "Training,a.png,4,0,0,1,3,2,0,0,0,0\nTraining,b.png,0,0,0,0,0,0,0,5,5,0\n")
    assert read_ferplus(file, TWO_SPLITS).tolist() == [[3, 2, 0, 0, 1, 0, 4], [0] * 7]


def test_a_file_as_windows_writes_it_and_other_names_of_a_split_are_understood(tmp_path: Path) -> None:
    file = tmp_path / "fer2013new.csv"
    rows = "train,a.png,4,0,0,1,3,2,0,0,0,0\r\nTRAINING,b.png,0,0,0,0,0,0,0,5,5,0\r\n"
    file.write_bytes((HEADER.replace("\n", "\r\n") + rows).encode("utf-16"))
    assert read_ferplus(file, TWO_SPLITS).tolist() == [[3, 2, 0, 0, 1, 0, 4], [0] * 7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Usage,neutral\n", "lacks the column anger, disgust, fear"),
        (HEADER + "Training,a.png,4,0,0,1,3,2,0,0,0,0\n", "has 1 rows for 2 images"),
        (HEADER + "Training,a.png,x,0,0,1,3,2,0,0,0,0\n", "is damaged after 2 lines"),
        (HEADER + "Training,a.png,4,0\n", "is damaged after 2 lines"),
        (
            HEADER + 2 * "PublicTest,a.png,4,0,0,1,3,2,0,0,0,0\n",
            "assigns row 1 to PublicTest, the images assign it to Training",
        ),
    ],
)
def test_a_damaged_file_is_reported(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_ferplus(write_ferplus(tmp_path, text), TWO_SPLITS)


def test_a_majority_is_more_than_half_of_the_ten_votes() -> None:
    votes = np.array([[6, 4, 0, 0, 0, 0, 0], [0, 0, 7, 0, 0, 0, 0], [5, 5, 0, 0, 0, 0, 0], [0] * 7], np.float32)
    assert has_majority(votes).tolist() == [True, True, False, False]
