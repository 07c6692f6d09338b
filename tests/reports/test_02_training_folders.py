"""A folder of images to train on is read completely, or what is left out is named: by any name, whatever the bytes."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.emotions import EMOTIONS
from mien.errors import DataError
from mien.trainer.commands.options import report_skipped
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.load import load_dataset

SAD = EMOTIONS.index("sad")


def image_bytes(seed: int, suffix: str = ".jpg") -> bytes:
    """An image of noise, large enough that its first half is no whole image."""
    noise = np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)
    return cv2.imencode(suffix, noise)[1].tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """20 images of each emotion."""
    for label, emotion in enumerate(EMOTIONS):
        (tmp_path / "data" / emotion).mkdir(parents=True)
        for number in range(20):
            (tmp_path / "data" / emotion / f"{number}.jpg").write_bytes(image_bytes(20 * label + number))
    return tmp_path / "data"


def skipped(data: Dataset, folder: Path) -> list[str]:
    return [line.removeprefix(f"{folder}/") for line in data.skipped]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (image_bytes(1)[:900], "is cut off: copy it again"),
        (b"", "is empty: copy it again"),
        (b"no image at all", "is not an image that OpenCV can read: convert it to JPEG or PNG"),
        (image_bytes(1)[:1500] + b"\xff\xd5" + image_bytes(1)[1500:], "is damaged"),
    ],
)
def test_an_image_that_is_not_whole_is_left_out_by_name_and_reason(
    folder: Path, content: bytes, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "sad" / "bad.jpg").write_bytes(content)
    data = load_dataset(folder)
    (line,) = skipped(data, folder)
    assert line.startswith(f"sad/bad.jpg {reason}")
    assert len(data) == 140
    (folder / "sad" / "worse.jpg").write_bytes(content)
    with pytest.raises(DataError, match=r"has 2 unusable images out of 142, .*; the first: .*/sad/bad.jpg is "):
        load_dataset(folder)
    assert capfd.readouterr().err == ""  # nothing of OpenCV or libjpeg


def test_an_image_is_what_its_bytes_say(folder: Path) -> None:
    for name, suffix in (("a.jfif", ".jpg"), ("no_ending", ".png"), ("wrong.txt", ".png"), ("b.png", ".jpg")):
        (folder / "sad" / name).write_bytes(image_bytes(999, suffix))
    data = load_dataset(folder)
    assert (len(data), data.emotion_counts()[SAD], data.skipped) == (144, 24, ())


def test_everything_else_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "sad" / "notes.txt").write_text("a list of the images")
    (folder / "sad" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (folder / "sad" / "more").mkdir()
    (folder / "sad" / "gone.jpg").symlink_to("nowhere.jpg")
    (folder / "sad" / "clip.mp4").write_bytes(b"\0\0\0\x18ftypisom\0\0\2\0isomiso2")
    (folder / "contempt").mkdir()
    (folder / "contempt" / "1.jpg").write_bytes(image_bytes(1))
    (folder / "labels.csv").write_text("name,emotion")
    data = load_dataset(folder)
    assert len(data) == 140
    assert skipped(data, folder) == [
        "contempt: 1 files of an emotion unknown to mien",
        "labels.csv is not in the folder of an emotion",
        "sad/.DS_Store is hidden",
        "sad/clip.mp4 is a video (MP4)",
        "sad/gone.jpg is not a file",
        "sad/more is a folder: move its images up",
        "sad/notes.txt is not an image",
    ]
    folder.rename(tmp_path / "train")
    (tmp_path / "extra").mkdir()
    line = f"{tmp_path}/extra is not the folder of a split: rename it to train or test if it is meant to be"
    assert line in load_dataset(tmp_path).skipped


def test_what_is_left_out_is_listed_and_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(60):
        (folder / "sad" / f"{number}.txt").write_text("no image")
    (folder / "sad" / "cut.jpg").write_bytes(image_bytes(1)[:900])
    data = load_dataset(folder)
    report_skipped(data.skipped, len(data))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"skipped {folder}/sad/0.txt is not an image"
    assert lines[-1] == "read 140 images, skipped 61 files or folders, 11 of them not listed"
    assert len(lines) == 51


READ = """
import sys
from pathlib import Path
from mien.trainer.data.load import load_dataset
data = load_dataset(Path(sys.argv[1]))
print(data.name, len(data), *data.skipped, sep="\\n")
"""


def test_names_that_are_not_utf8_are_read_and_shown(folder: Path, tmp_path: Path) -> None:
    """In a process of its own: OpenCV ends it by a segmentation fault at such a name."""
    for emotion in EMOTIONS:
        (folder / emotion / "0.jpg").rename(folder / emotion / os.fsdecode(b"\xff.jpg"))
    (folder / "sad" / os.fsdecode(b"cut\xfe.jpg")).write_bytes(image_bytes(1)[:900])
    renamed = folder.rename(folder.parent / os.fsdecode(b"data\xff"))
    command = [sys.executable, "-c", READ, str(renamed)]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert process.returncode == 0, process.stderr
    name, count, line = process.stdout.decode().splitlines()
    assert (name, count) == (r"data\xff", "140")
    assert line.endswith(r"data\xff/sad/cut\xfe.jpg is cut off: copy it again")
