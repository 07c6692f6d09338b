from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.emotions import EMOTIONS
from mien.errors import DataError
from mien.trainer.folders import read_folders
from mien.trainer.reading import read_data


def draw(file: Path, brightness: int, height: int = 48, width: int = 48) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), np.full((height, width), brightness, np.uint8))


def draw_all(folder: Path, count: int = 1) -> None:
    for label, emotion in enumerate(EMOTIONS):
        for number in range(count):
            draw(folder / emotion / f"{number}.png", label)


def test_splits_and_emotions_are_folders(tmp_path: Path) -> None:
    for split in ("train", "test"):
        draw_all(tmp_path / split)
    data = read_data(tmp_path)
    for usage in ("Training", "Test"):
        part = data.split(usage)
        assert sorted(part.labels.tolist()) == list(range(7))
        assert np.array_equal(part.pictures[:, 0, 0], part.labels)
    assert data.test_usage() == "Test"


def test_emotions_alone_are_training_pictures_under_any_usual_name(tmp_path: Path) -> None:
    draw(tmp_path / "Anger" / "a.jpg", 1)
    draw(tmp_path / "happiness" / "b.png", 2, 96, 96)
    draw(tmp_path / "contempt" / "c.png", 3)
    data = read_folders(tmp_path)
    assert [EMOTIONS[label] for label in data.labels] == ["angry", "happy"]
    assert (data.test_usage(), data.pictures.shape) == ("Training", (2, 48, 48))
    assert data.skipped == (f"{tmp_path}/contempt: 1 pictures of no emotion that mien knows",)


def test_a_picture_that_cannot_be_used_is_left_out_and_named(tmp_path: Path) -> None:
    draw_all(tmp_path, 20)
    (tmp_path / "sad" / "broken.png").write_bytes(b"no picture")
    data = read_folders(tmp_path)
    assert (len(data), data.skipped) == (140, (f"{tmp_path}/sad/broken.png: not a readable picture",))


def test_more_than_one_in_a_hundred_is_refused_with_the_first(tmp_path: Path) -> None:
    draw_all(tmp_path)
    draw(tmp_path / "fear" / "long.png", 1, 48, 80)
    draw(tmp_path / "fear" / "small.png", 1, 12, 12)
    with pytest.raises(DataError, match=r"has 2 pictures of 9 that cannot be used, first .*long.png: 80x48 pixels are"):
        read_folders(tmp_path)


def test_folders_of_which_no_picture_can_be_used_name_the_first(tmp_path: Path) -> None:
    draw(tmp_path / "sad" / "small.png", 1, 8, 8)
    with pytest.raises(DataError, match=r"has 1 pictures of 1 that cannot be used, first .*small.png: only 8x8 pixels"):
        read_data(tmp_path)


def test_splits_of_fer2013_s_own_names_are_known(tmp_path: Path) -> None:
    for split in ("Training", "PublicTest", "PrivateTest"):
        draw_all(tmp_path / split)
    (tmp_path / "test").write_text("a file")
    assert set(read_data(tmp_path).usages) == {"Training", "PublicTest", "PrivateTest"}


def test_a_folder_without_pictures_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no pictures in train/angry, angry and so on: sort them by emotion"):
        read_data(tmp_path)
