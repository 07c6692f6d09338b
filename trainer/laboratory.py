"""Reads CK+ and JAFFE, posed expressions from laboratories: to test on, never to train or calibrate a shipped model.

Lucey et al., "The Extended Cohn-Kanade Dataset (CK+)", CVPR workshops 2010; Lyons et al., "Coding Facial Expressions
with Gabor Wavelets", FG 1998. Both are for non-commercial research. Faces are found and cropped as on a device.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mien.emotions import EMOTIONS
from mien.errors import DataError
from mien.faces import HaarDetector

from .dataset import Dataset
from .folders import NAMES, read_gray, scaled

CK_PLUS_CODES = {0: "neutral", 1: "angry", 3: "disgust", 4: "fear", 5: "happy", 6: "sad", 7: "surprise"}
"""2 is contempt."""
CK_PLUS_FRAME = re.compile(r"(S\d{3})_(\d{3})_(\d{8})\.png")
JAFFE_CODES = {
    "AN": "angry", "DI": "disgust", "FE": "fear", "HA": "happy", "SA": "sad", "SU": "surprise", "NE": "neutral",
}  # fmt: skip
JAFFE_FILE = re.compile(r"[A-Z]{2}\.([A-Z]{2})\d*\.\d+\.(tiff?|png|jpg)", re.IGNORECASE)


def read_ck_plus(path: Path) -> Dataset | None:
    """CK+ as published, or as the 48x48 crops by emotion that go round as "CK+48"; None if it is neither.

    As published: cohn-kanade-images/SUBJECT/SEQUENCE/*.png and Emotion/SUBJECT/SEQUENCE/*_emotion.txt. The last frame
    of each labelled sequence shows its emotion, the first frame no expression: neutral, once for each subject.
    """
    labels_folder, frames_folder = path / "Emotion", path / "cohn-kanade-images"
    if labels_folder.is_dir() and frames_folder.is_dir():
        return _cropped(path, _ck_plus_frames(labels_folder, frames_folder))
    crops = [file for file in sorted(path.glob("*/*.png")) if CK_PLUS_FRAME.fullmatch(file.name)]
    if not crops:
        return None
    return _cropped(path, ((file, NAMES.get(file.parent.name.lower())) for file in crops), find=False)


def _ck_plus_frames(labels_folder: Path, frames_folder: Path) -> Iterable[tuple[Path, str | None]]:
    subjects = set()
    for label_file in sorted(labels_folder.glob("S*/*/*_emotion.txt")):
        subject, sequence = label_file.parts[-3:-1]
        frames = sorted((frames_folder / subject / sequence).glob("*.png"))
        if not frames:
            raise DataError(f"{label_file} labels a sequence without pictures: unpack cohn-kanade-images again")
        try:
            code = int(float(label_file.read_text()))
        except ValueError as error:
            raise DataError(f"{label_file} holds no number from 0 to 7: unpack Emotion again") from error
        if subject not in subjects:
            subjects.add(subject)
            yield frames[0], "neutral"
        yield frames[-1], CK_PLUS_CODES.get(code)


def read_jaffe(path: Path) -> Dataset | None:
    """JAFFE as published, one folder of files like KA.AN1.39.tiff; None if it is something else."""
    files = [(file, JAFFE_FILE.fullmatch(file.name)) for file in sorted(path.glob("*"))]
    named = [(file, JAFFE_CODES.get(match[1].upper())) for file, match in files if match]
    return _cropped(path, named) if named else None


def _cropped(path: Path, files: Iterable[tuple[Path, str | None]], *, find: bool = True) -> Dataset:
    """Each file's largest face; left out are other emotions, unreadable files and those without a face."""
    detector = HaarDetector()
    pictures, labels, skipped = [], [], []
    for file, emotion in files:
        picture = read_gray(file)
        boxes = detector.find(picture) if find and picture is not None else []
        if picture is None:
            skipped.append(f"{file}: not a readable picture")
        elif emotion is None:
            skipped.append(f"{file}: an emotion that mien does not know")
        elif find and not boxes:
            skipped.append(f"{file}: no face found")
        else:
            pictures.append(scaled(boxes[0].crop(picture) if find else picture))
            labels.append(EMOTIONS.index(emotion))
    if not pictures:
        first = f", first {skipped[0]}" if skipped else ""
        raise DataError(f"{path} has no picture that can be used{first}: unpack it again")
    return Dataset(
        name=path.name,
        pictures=np.stack(pictures),
        labels=np.array(labels, np.uint8),
        usages=np.array(["Test"] * len(pictures)),
        skipped=tuple(skipped),
        test_only=True,
    )
