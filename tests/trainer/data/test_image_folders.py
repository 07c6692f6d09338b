from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.emotions import EMOTIONS
from mien.errors import DataError
from mien.trainer.data.image_folders import read_image_folders
from mien.trainer.data.load import load_dataset


def write_image(file: Path, brightness: int, height: int = 48, width: int = 48) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), np.full((height, width), brightness, np.uint8))


def write_images_of_every_emotion(folder: Path, count: int = 1) -> None:
    for label, emotion in enumerate(EMOTIONS):
        for number in range(count):
            write_image(folder / emotion / f"{number}.png", label)


def test_splits_and_emotions_are_folders(tmp_path: Path) -> None:
    for folder_name in ("train", "test"):
        write_images_of_every_emotion(tmp_path / folder_name)
    data = load_dataset(tmp_path)
    for name in ("Training", "Test"):
        split = data.split(name)
        assert sorted(split.labels.tolist()) == list(range(7))
        assert np.array_equal(split.images[:, 0, 0], split.labels)
    assert data.test_split() == "Test"


def test_emotions_alone_are_training_images_under_any_usual_name(tmp_path: Path) -> None:
    write_image(tmp_path / "Anger" / "a.jpg", 1)
    write_image(tmp_path / "happiness" / "b.png", 2, 96, 96)
    write_image(tmp_path / "contempt" / "c.png", 3)
    data = read_image_folders(tmp_path)
    assert [EMOTIONS[label] for label in data.labels] == ["angry", "happy"]
    assert (data.test_split(), data.images.shape) == ("Training", (2, 48, 48))
    assert data.skipped == (f"{tmp_path}/contempt: 1 files of an emotion unknown to mien",)


def test_an_unusable_image_is_skipped_and_reported(tmp_path: Path) -> None:
    write_images_of_every_emotion(tmp_path, 20)
    (tmp_path / "sad" / "broken.png").write_bytes(b"no image")
    data = read_image_folders(tmp_path)
    assert (len(data), data.skipped) == (
        140,
        (f"{tmp_path}/sad/broken.png is not an image that OpenCV can read: convert it to JPEG or PNG",),
    )


def test_more_than_one_unusable_image_in_a_hundred_is_refused_with_the_first(tmp_path: Path) -> None:
    write_images_of_every_emotion(tmp_path)
    write_image(tmp_path / "fear" / "long.png", 1, 48, 80)
    write_image(tmp_path / "fear" / "small.png", 1, 12, 12)
    message = (
        r"has 2 unusable images out of 9, .*; the first: .*long.png is not the crop of a face \(80x48 pixels\): crop"
    )
    with pytest.raises(DataError, match=message):
        read_image_folders(tmp_path)


def test_folders_without_a_usable_image_are_refused_with_the_first(tmp_path: Path) -> None:
    write_image(tmp_path / "sad" / "small.png", 1, 8, 8)
    message = r"has 1 unusable images out of 1, .*; the first: .*small.png has only 8x8 pixels"
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path)


def test_fer2013_s_names_of_splits_are_recognized(tmp_path: Path) -> None:
    for split in ("Training", "PublicTest", "PrivateTest"):
        write_images_of_every_emotion(tmp_path / split)
    (tmp_path / "test").write_text("a file")
    assert set(load_dataset(tmp_path).splits) == {"Training", "PublicTest", "PrivateTest"}


def test_a_folder_without_images_is_refused_with_the_expected_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no images in train/angry, angry and so on: sort them by emotion"):
        load_dataset(tmp_path)
