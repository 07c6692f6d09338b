"""Reads images from folders by emotion, with or without enclosing folders by split."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.emotions import EMOTIONS
from mien.errors import DataError
from mien.media.file_format import HEAD_BYTES, recognize
from mien.media.file_name import to_text
from mien.media.image_bytes import UnreadableImage, decode_image
from mien.model.preprocessing import IMAGE_SIZE_PX

from .dataset import Dataset
from .split_names import SPLIT_BY_NAME

IMAGE_SUFFIXES = {".bmp", ".gif", ".heic", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
"""A file with such a name is meant to be an image, whatever it contains; others are images if their bytes say so."""
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

    Images become gray and 48x48. All that is not read is in `skipped`, with the reason: images that are damaged, cut
    off, empty, smaller than 24 pixels or far from square; folders of other emotions; and what is no image or lies
    elsewhere. DataError if more than one image in a hundred cannot be used (a single one is always allowed), or if
    there is none.
    """
    images, labels, splits, unusable = [], [], [], []
    folders, left_out = _split_folders(path)
    for folder, split in folders:
        emotion_folders, others = _emotion_folders(folder)
        left_out += others
        for emotion_folder, emotion in emotion_folders:
            for file in sorted(emotion_folder.iterdir()):
                if reason := _reason_to_leave_out(file):
                    left_out.append(f"{to_text(file)} {reason}")
                    continue
                try:
                    image = _read_crop(file)
                except UnreadableImage as error:
                    unusable.append(f"{to_text(file)} {error}")
                    continue
                images.append(image)
                labels.append(EMOTIONS.index(emotion))
                splits.append(split)
    if not images and not unusable:
        raise DataError(
            f"{to_text(path)} has no images in train/{EMOTIONS[0]}, {EMOTIONS[0]} and so on: sort them by emotion"
        )
    if not images or len(unusable) > max(1, MAX_UNUSABLE_SHARE * len(images)):
        raise DataError(
            f"{to_text(path)} has {len(unusable)} unusable images out of {len(unusable) + len(images)}, to be replaced "
            f"or removed; the first: {unusable[0]}"
        )
    return Dataset(
        name=to_text(Path(path.name)),
        images=np.stack(images),
        labels=np.array(labels, np.uint8),
        splits=np.array(splits),
        skipped=(*left_out, *unusable),
    )


def _split_folders(path: Path) -> tuple[list[tuple[Path, str]], list[str]]:
    """The folders of images by emotion, each with its split; and what lies beside them, with the reason."""
    entries = sorted(path.iterdir())
    folders = [(entry, SPLIT_BY_NAME.get(entry.name.lower())) for entry in entries]
    by_split = [(folder, split) for folder, split in folders if split and folder.is_dir()]
    if not by_split:
        return [(path, "Training")], []
    known = {folder for folder, _ in by_split}
    reason = "is not the folder of a split: rename it to train or test if it is meant to be"
    return by_split, [f"{to_text(entry)} {reason}" for entry in entries if entry not in known]


def _emotion_folders(folder: Path) -> tuple[list[tuple[Path, str]], list[str]]:
    """A split's folders of images, each with its emotion; and what lies beside them, with the reason."""
    by_emotion, left_out = [], []
    for entry in sorted(folder.iterdir()):
        emotion = EMOTION_BY_FOLDER_NAME.get(entry.name.lower())
        if not entry.is_dir():
            left_out.append(f"{to_text(entry)} is not in the folder of an emotion")
        elif emotion is None:
            files = sum(not _is_hidden(file) for file in entry.iterdir())
            left_out.append(f"{to_text(entry)}: {files} files of an emotion unknown to mien")
        else:
            by_emotion.append((entry, emotion))
    return by_emotion, left_out


def _reason_to_leave_out(file: Path) -> str:
    """Why something in the folder of an emotion is not meant to be an image of it; empty if it is."""
    if _is_hidden(file):
        return "is hidden"
    if file.is_dir():
        return "is a folder: move its images up"
    if not file.is_file():
        return "is not a file"
    if file.suffix.lower() in IMAGE_SUFFIXES:
        return ""
    try:
        with file.open("rb") as stream:
            file_format = recognize(stream.read(HEAD_BYTES))
    except OSError as error:
        return f"cannot be read ({error.strerror}): check its permissions"
    if file_format is None:
        return "is not an image"
    return "" if file_format.kind == "image" else f"is a video ({file_format.name})"


def _is_hidden(file: Path) -> bool:
    """Such as `.DS_Store`, or `._a.jpg` that macOS writes beside a.jpg."""
    return file.name.startswith(".")


def read_gray_image(file: Path) -> NDArray[np.uint8]:
    """An image in gray, (height, width). UnreadableImage, to be read after the file's name, if it cannot be read."""
    try:
        return decode_image(file.read_bytes())
    except OSError as error:
        raise UnreadableImage(f"cannot be read ({error.strerror}): check its permissions") from error


def resize_to_input(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A gray image resized to (48, 48)."""
    if image.shape == (IMAGE_SIZE_PX, IMAGE_SIZE_PX):
        return image
    resized = cv2.resize(image, (IMAGE_SIZE_PX, IMAGE_SIZE_PX), interpolation=cv2.INTER_AREA)
    return resized.astype(np.uint8, copy=False)


def _read_crop(file: Path) -> NDArray[np.uint8]:
    """A face, (48, 48). UnreadableImage also if it is not the crop of a face."""
    image = read_gray_image(file)
    shorter, longer = sorted(image.shape)
    size = f"{image.shape[1]}x{image.shape[0]} pixels"
    if shorter < MIN_SIDE_PX:
        raise UnreadableImage(f"has only {size}, and {MIN_SIDE_PX} are needed: remove it")
    if longer > MAX_ASPECT_RATIO * shorter:
        raise UnreadableImage(f"is not the crop of a face ({size}): crop or remove it")
    return resize_to_input(image)
