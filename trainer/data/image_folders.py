"""Reads images from folders by emotion, with or without enclosing folders by split."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.errors import DataError
from mien.model.preprocessing import IMAGE_SIZE_PX

from .dataset import Dataset

IMAGE_SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
SPLIT_BY_FOLDER_NAME = {
    "train": "Training", "training": "Training", "test": "Test", "publictest": "PublicTest",
    "privatetest": "PrivateTest", "val": "Validation", "valid": "Validation", "validation": "Validation",
}  # fmt: skip
"""FER-2013 as folders merges PublicTest and PrivateTest into test/, hence the separate name Test."""
EMOTION_BY_FOLDER_NAME: dict[str, str] = {
    **dict(zip(EMOTIONS, EMOTIONS, strict=True)),
    "anger": "angry", "disgusted": "disgust", "fearful": "fear", "happiness": "happy", "sadness": "sad",
    "surprised": "surprise",
}  # fmt: skip
"""The names that datasets use for the emotions."""
MIN_SIDE_PX = 24
MAX_ASPECT_RATIO = 1.25
"""Longer side over shorter side; a longer image is not a crop of a face."""
MAX_UNUSABLE_SHARE = 0.01
"""Of the images; with more the folder is not what it seems."""


def read_image_folders(path: Path) -> Dataset:
    """Read `path`/SPLIT/EMOTION/*, or `path`/EMOTION/*, which are all Training.

    Images become gray and 48x48. Skipped and listed in `skipped`: images that cannot be read, are smaller than 24
    pixels or far from square, and folders of other emotions. DataError if more than one image in a hundred cannot be
    used (a single one is always allowed), or if there is none.
    """
    images, labels, splits, unknown_emotions, unusable = [], [], [], [], []
    for folder, split in _split_folders(path):
        for emotion_folder in sorted(inner for inner in folder.iterdir() if inner.is_dir()):
            files = [file for file in sorted(emotion_folder.iterdir()) if file.suffix.lower() in IMAGE_SUFFIXES]
            emotion = EMOTION_BY_FOLDER_NAME.get(emotion_folder.name.lower())
            if emotion is None:
                unknown_emotions.append(f"{emotion_folder}: {len(files)} images of an emotion unknown to mien")
                continue
            for file in files:
                image, problem = _read_crop(file)
                if image is None:
                    unusable.append(f"{file}: {problem}")
                    continue
                images.append(image)
                labels.append(EMOTIONS.index(emotion))
                splits.append(split)
    if not images and not unusable:
        raise DataError(f"{path} has no images in train/{EMOTIONS[0]}, {EMOTIONS[0]} and so on: sort them by emotion")
    if not images or len(unusable) > max(1, MAX_UNUSABLE_SHARE * len(images)):
        raise DataError(
            f"{path} has {len(unusable)} unusable images out of {len(unusable) + len(images)}, "
            f"the first is {unusable[0]}: fix or remove them"
        )
    return Dataset(
        name=path.name,
        images=np.stack(images),
        labels=np.array(labels, np.uint8),
        splits=np.array(splits),
        skipped=(*unknown_emotions, *unusable),
    )


def _split_folders(path: Path) -> list[tuple[Path, str]]:
    """The folders of images by emotion, each with its split."""
    folders = [(folder, SPLIT_BY_FOLDER_NAME.get(folder.name.lower())) for folder in sorted(path.iterdir())]
    return [(folder, split) for folder, split in folders if split and folder.is_dir()] or [(path, "Training")]


def read_gray_image(file: Path) -> NDArray[np.uint8] | None:
    """An image in gray, (height, width); None if it cannot be read."""
    image = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    return None if image is None else image.astype(np.uint8, copy=False)


def resize_to_input(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A gray image resized to (48, 48)."""
    if image.shape == (IMAGE_SIZE_PX, IMAGE_SIZE_PX):
        return image
    resized = cv2.resize(image, (IMAGE_SIZE_PX, IMAGE_SIZE_PX), interpolation=cv2.INTER_AREA)
    return resized.astype(np.uint8, copy=False)


def _read_crop(file: Path) -> tuple[NDArray[np.uint8] | None, str]:
    """The image, or None and the reason why it is unusable."""
    image = read_gray_image(file)
    if image is None:
        return None, "not a readable image"
    shorter, longer = sorted(image.shape)
    if shorter < MIN_SIDE_PX:
        return None, f"only {image.shape[1]}x{image.shape[0]} pixels"
    if longer > MAX_ASPECT_RATIO * shorter:
        return None, f"{image.shape[1]}x{image.shape[0]} pixels are not a crop of a face"
    return resize_to_input(image), ""
