"""Reads CK+ and JAFFE, posed expressions from laboratories: to test on, never to train or calibrate a shipped model.

Lucey et al., "The Extended Cohn-Kanade Dataset (CK+)", CVPR workshops 2010; Lyons et al., "Coding Facial Expressions
with Gabor Wavelets", FG 1998. Both are for non-commercial research. Faces are detected and cropped as on a device.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mien.emotions import EMOTIONS
from mien.errors import DataError
from mien.face_detection.crop import crop_face
from mien.face_detection.yunet import YuNetDetector
from mien.media.file_name import to_text
from mien.media.image_bytes import UnreadableImage

from .dataset import Dataset
from .image_folders import EMOTION_BY_FOLDER_NAME, read_gray_image, resize_to_input

CK_PLUS_EMOTION_BY_CODE = {
    0: "neutral", 1: "angry", 3: "disgust", 4: "fear", 5: "happy", 6: "sad", 7: "surprise",
}  # fmt: skip
"""2 is contempt."""
CK_PLUS_FRAME_NAME = re.compile(r"(S\d{3})_(\d{3})_(\d{8})\.png")
JAFFE_EMOTION_BY_CODE = {
    "AN": "angry", "DI": "disgust", "FE": "fear", "HA": "happy", "SA": "sad", "SU": "surprise", "NE": "neutral",
}  # fmt: skip
JAFFE_FILE_NAME = re.compile(r"[A-Z]{2}\.([A-Z]{2})\d*\.\d+\.(tiff?|png|jpg)", re.IGNORECASE)


def read_ck_plus(path: Path) -> Dataset | None:
    """CK+ as published, or as the 48x48 crops by emotion that circulate as "CK+48"; None if it is neither.

    As published: cohn-kanade-images/SUBJECT/SEQUENCE/*.png and Emotion/SUBJECT/SEQUENCE/*_emotion.txt. The last frame
    of each labeled sequence shows its emotion; the first frame is neutral and used once per subject.
    """
    labels_folder, frames_folder = path / "Emotion", path / "cohn-kanade-images"
    if labels_folder.is_dir() and frames_folder.is_dir():
        return _read_faces(path, _list_ck_plus_frames(labels_folder, frames_folder))
    crops = [file for file in sorted(path.glob("*/*.png")) if CK_PLUS_FRAME_NAME.fullmatch(file.name)]
    if not crops:
        return None
    labeled_crops = ((file, EMOTION_BY_FOLDER_NAME.get(file.parent.name.lower())) for file in crops)
    return _read_faces(path, labeled_crops, detect=False)


def _list_ck_plus_frames(labels_folder: Path, frames_folder: Path) -> Iterable[tuple[Path, str | None]]:
    subjects = set()
    for label_file in sorted(labels_folder.glob("S*/*/*_emotion.txt")):
        subject, sequence = label_file.parts[-3:-1]
        frames = sorted((frames_folder / subject / sequence).glob("*.png"))
        if not frames:
            raise DataError(f"{label_file} labels a sequence without images: unpack cohn-kanade-images again")
        try:
            code = int(float(label_file.read_text()))
        except ValueError as error:
            raise DataError(f"{label_file} does not contain a number from 0 to 7: unpack Emotion again") from error
        if subject not in subjects:
            subjects.add(subject)
            yield frames[0], "neutral"
        yield frames[-1], CK_PLUS_EMOTION_BY_CODE.get(code)


def read_jaffe(path: Path) -> Dataset | None:
    """JAFFE as published, one folder of files like KA.AN1.39.tiff; None if it is something else."""
    matches = [(file, JAFFE_FILE_NAME.fullmatch(file.name)) for file in sorted(path.glob("*"))]
    labeled_files = [(file, JAFFE_EMOTION_BY_CODE.get(match[1].upper())) for file, match in matches if match]
    return _read_faces(path, labeled_files) if labeled_files else None


def _read_faces(path: Path, labeled_files: Iterable[tuple[Path, str | None]], *, detect: bool = True) -> Dataset:
    """Each file's largest face; skips other emotions, unreadable files and, if `detect`, those without a face."""
    detector = YuNetDetector()
    images, labels, skipped = [], [], []
    for file, emotion in labeled_files:
        try:
            image = read_gray_image(file)
        except UnreadableImage as error:
            skipped.append(f"{to_text(file)} {error}")
            continue
        faces = detector.detect(image) if detect else []
        if emotion is None:
            skipped.append(f"{to_text(file)}: an emotion unknown to mien")
        elif detect and not faces:
            skipped.append(f"{to_text(file)}: no face found")
        else:
            images.append(resize_to_input(crop_face(image, faces[0]) if detect else image))
            labels.append(EMOTIONS.index(emotion))
    if not images:
        reason = f"; the first: {skipped[0]}" if skipped else ""
        raise DataError(f"{to_text(path)} has no usable image, unpack it again{reason}")
    return Dataset(
        name=to_text(Path(path.name)),
        images=np.stack(images),
        labels=np.array(labels, np.uint8),
        splits=np.array(["Test"] * len(images)),
        skipped=tuple(skipped),
        test_only=True,
    )
