"""Reads pictures from folders by emotion, with or without folders by split around them."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.errors import DataError
from mien.preprocessing import SIDE_PIXELS

from .dataset import Dataset

PICTURES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
USAGES = {
    "train": "Training", "training": "Training", "test": "Test", "publictest": "PublicTest",
    "privatetest": "PrivateTest", "val": "Validation", "valid": "Validation", "validation": "Validation",
}  # fmt: skip
"""The folder form of FER-2013 joins PublicTest and PrivateTest in test/, so it gets a name of its own."""
NAMES: dict[str, str] = {
    **dict(zip(EMOTIONS, EMOTIONS, strict=True)),
    "anger": "angry", "disgusted": "disgust", "fearful": "fear", "happiness": "happy", "sadness": "sad",
    "surprised": "surprise",
}  # fmt: skip
"""How datasets call the emotions."""
LEAST_SIDE_PIXELS = 24
LONGEST_SIDE = 1.25
"""Of a picture's shorter one: what is longer is not a crop of a face."""
MOST_SKIPPED = 0.01
"""Of the pictures; more means that the folder is not what it seems."""


def read_folders(path: Path) -> Dataset:
    """Read `path`/SPLIT/EMOTION/* or `path`/EMOTION/*, which are all Training.

    Pictures become grey and 48x48. Left out and named in `skipped`: pictures that cannot be read, of less than
    24 pixels or not nearly square, and folders of other emotions. DataError if more than one picture in a hundred (one
    may always) cannot be used, or if there is none.
    """
    pictures, labels, usages, foreign, unusable = [], [], [], [], []
    for folder, usage in _splits(path):
        for emotion_folder in sorted(inner for inner in folder.iterdir() if inner.is_dir()):
            files = [file for file in sorted(emotion_folder.iterdir()) if file.suffix.lower() in PICTURES]
            emotion = NAMES.get(emotion_folder.name.lower())
            if emotion is None:
                foreign.append(f"{emotion_folder}: {len(files)} pictures of no emotion that mien knows")
                continue
            for file in files:
                picture, problem = _read_crop(file)
                if picture is None:
                    unusable.append(f"{file}: {problem}")
                    continue
                pictures.append(picture)
                labels.append(EMOTIONS.index(emotion))
                usages.append(usage)
    if not pictures and not unusable:
        raise DataError(f"{path} has no pictures in train/{EMOTIONS[0]}, {EMOTIONS[0]} and so on: sort them by emotion")
    if not pictures or len(unusable) > max(1, MOST_SKIPPED * len(pictures)):
        raise DataError(
            f"{path} has {len(unusable)} pictures of {len(unusable) + len(pictures)} that cannot be used, "
            f"first {unusable[0]}: mend or remove them"
        )
    return Dataset(
        name=path.name,
        pictures=np.stack(pictures),
        labels=np.array(labels, np.uint8),
        usages=np.array(usages),
        skipped=(*foreign, *unusable),
    )


def _splits(path: Path) -> list[tuple[Path, str]]:
    folders = [folder for folder in sorted(path.iterdir()) if folder.is_dir()]
    named = [(folder, USAGES[folder.name.lower()]) for folder in folders if folder.name.lower() in USAGES]
    return named or [(path, "Training")]


def read_gray(file: Path) -> NDArray[np.uint8] | None:
    """A picture in grey, (height, width); None if it cannot be read."""
    picture = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    return None if picture is None else picture.astype(np.uint8, copy=False)


def scaled(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A grey picture as (48, 48)."""
    if picture.shape == (SIDE_PIXELS, SIDE_PIXELS):
        return picture
    small = cv2.resize(picture, (SIDE_PIXELS, SIDE_PIXELS), interpolation=cv2.INTER_AREA)
    return small.astype(np.uint8, copy=False)


def _read_crop(file: Path) -> tuple[NDArray[np.uint8] | None, str]:
    """The picture, or None and what is wrong with it."""
    picture = read_gray(file)
    if picture is None:
        return None, "not a readable picture"
    shorter, longer = sorted(picture.shape)
    if shorter < LEAST_SIDE_PIXELS:
        return None, f"only {picture.shape[1]}x{picture.shape[0]} pixels"
    if longer > LONGEST_SIDE * shorter:
        return None, f"{picture.shape[1]}x{picture.shape[0]} pixels are not a crop of a face"
    return scaled(picture), ""
