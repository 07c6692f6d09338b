from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.cli import main
from mien.edge.camera import demo_camera
from mien.emotions import EMOTIONS
from mien.errors import DataError
from mien.trainer.data.load import load_dataset

PORTRAIT = cv2.imread(str(demo_camera.PORTRAIT), cv2.IMREAD_GRAYSCALE)


def write_portrait(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    assert PORTRAIT is not None
    cv2.imwrite(str(file), PORTRAIT)


@pytest.fixture
def ck_plus(tmp_path: Path) -> Path:
    for subject, sequence, code in (("S005", "001", "3.0"), ("S005", "002", "5.0"), ("S010", "001", "2.0")):
        for frame in (1, 2, 3):
            write_portrait(
                tmp_path / "cohn-kanade-images" / subject / sequence / f"{subject}_{sequence}_{frame:08}.png"
            )
        label = tmp_path / "Emotion" / subject / sequence / f"{subject}_{sequence}_{3:08}_emotion.txt"
        label.parent.mkdir(parents=True)
        label.write_text(f"   {float(code):.7e}\n")
    return tmp_path


def test_ck_plus_has_each_peak_and_one_neutral_face_per_subject(ck_plus: Path) -> None:
    data = load_dataset(ck_plus)
    assert [EMOTIONS[label] for label in data.labels] == ["neutral", "disgust", "happy", "neutral"]
    assert [line.split(": ")[1] for line in data.skipped] == ["an emotion unknown to mien"]  # contempt
    assert (data.test_only, data.test_split()) == (True, "Test")


def test_faces_are_cropped_as_on_the_device(ck_plus: Path) -> None:
    assert PORTRAIT is not None
    uncropped = cv2.resize(PORTRAIT, (48, 48), interpolation=cv2.INTER_AREA)
    crop = load_dataset(ck_plus).images[0]
    assert np.abs(crop.astype(int) - uncropped).mean() > 10


def test_crops_that_circulate_as_ck48_are_recognized_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    cv2.imwrite(str(tmp_path / "happy" / "S010_006_00000013.png"), np.full((48, 48), 9, np.uint8))
    data = load_dataset(tmp_path)
    assert (data.test_only, data.images.max()) == (True, 9)


def test_jaffe_is_read_by_its_file_names(tmp_path: Path) -> None:
    write_portrait(tmp_path / "KA.AN1.39.tiff")
    write_portrait(tmp_path / "KA.SU2.37.tiff")
    cv2.imwrite(str(tmp_path / "KM.NE1.1.tiff"), np.full((256, 256), 90, np.uint8))
    data = load_dataset(tmp_path)
    assert [EMOTIONS[label] for label in data.labels] == ["angry", "surprise"]
    assert data.skipped == (f"{tmp_path}/KM.NE1.1.tiff: no face found",)


def test_training_on_a_test_set_is_refused(ck_plus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--data", str(ck_plus), "--run", str(tmp_path / "run")]) == 5
    assert "is a test set" in capsys.readouterr().err


def test_a_label_without_images_is_reported(ck_plus: Path) -> None:
    for file in (ck_plus / "cohn-kanade-images" / "S005" / "002").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="labels a sequence without images: unpack cohn-kanade-images again"):
        load_dataset(ck_plus)
