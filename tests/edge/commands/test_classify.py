"""`mien classify` on generated files: the portrait, still and moving, and files that are not images."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mien.cli import main
from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.image_file import read_image
from mien.edge.camera.media_file import identify
from mien.edge.camera.video_file import VideoFile
from mien.edge.classify.file_classifier import FileClassifier
from mien.edge.classify.prediction import COLUMNS
from mien.edge.settings import AgentSettings
from mien.edge.vision.pipeline import VisionPipeline
from mien.face_detection.yunet import YuNetDetector
from mien.model.classifier import Classifier

FRAMES_PER_SECOND = 10.0

Classify = Callable[..., tuple[int, str, str]]
"""Runs the command; returns its exit code, standard output and standard error."""


def make_scene(left: int) -> NDArray[np.uint8]:
    """The portrait on a gray background."""
    frame = np.full((240, 320, 3), 96, np.uint8)
    frame[30:210, left : left + 150] = cv2.resize(read_image(PORTRAIT, color=True), (150, 180))
    return frame


def write_video(path: Path, frame_count: int, first_left: int = 20) -> Path:
    """The portrait moving to the right on a gray background."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FRAMES_PER_SECOND, (320, 240))
    for number in range(frame_count):
        writer.write(make_scene(first_left + number))
    writer.release()
    return path


@pytest.fixture
def classify(capsys: pytest.CaptureFixture[str]) -> Classify:
    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["classify", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_a_face_in_an_image_is_one_prediction(classify: Classify) -> None:
    code, output, errors = classify(PORTRAIT, "--json")
    assert code == 0
    (prediction,) = json.loads(output)
    assert list(prediction) == list(COLUMNS)
    position = [prediction[name] for name in ("file", "track", "frames", "at_s")]
    assert position == ["portrait.jpg", 1, 1, None]
    assert prediction["emotion"] == "happy"
    assert prediction["confidence"] == prediction["happy"] > 0.5
    assert "files 1, frames 1, faces 1, reported 1\n" in errors


def test_a_face_in_a_video_is_one_track_with_a_prediction_per_second(tmp_path: Path, classify: Classify) -> None:
    code, output, _ = classify(write_video(tmp_path / "moving.avi", 36), "--csv")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(output)))
    assert [row["at_s"] for row in rows] == ["1.0", "2.0", "3.0", "3.5"]
    assert {row["track"] for row in rows} == {"1"}
    assert sum(int(row["frames"]) for row in rows) == 36
    left = [float(row["box_left"]) for row in rows]
    assert left == sorted(left)
    assert left[-1] - left[0] == pytest.approx(25 / 320, abs=0.03)


def test_the_frame_rate_can_be_limited(tmp_path: Path, classify: Classify) -> None:
    _, output, errors = classify(write_video(tmp_path / "moving.mp4", 30), "--json", "--frames-per-second", "2")
    assert "frames 6," in errors
    assert sum(prediction["frames"] for prediction in json.loads(output)) == 6


def test_annotated_copies_have_every_frame_and_a_box_around_the_face(tmp_path: Path, classify: Classify) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    original = write_video(folder / "moving.avi", 20)
    (folder / "portrait.jpg").write_bytes(PORTRAIT.read_bytes())
    code, _, _ = classify(folder, "--annotated", tmp_path / "copies")
    assert code == 0
    assert sorted(file.name for file in (tmp_path / "copies").iterdir()) == ["moving.mp4", "portrait.jpg"]
    copy = read_image(tmp_path / "copies" / "portrait.jpg", color=True)
    difference = _difference(read_image(PORTRAIT, color=True), copy)
    box = YuNetDetector(working_width=640).detect(read_image(PORTRAIT, color=True))[0].box
    assert difference[box.top + 1 : box.top + box.side - 1, box.left].mean() > 40  # the left side of the box
    center = (
        slice(box.top + box.side // 3, box.top + box.side // 2),
        slice(box.left + box.side // 3, box.left + box.side // 2),
    )
    assert difference[center].mean() < 10
    with VideoFile(original) as original_video, VideoFile(tmp_path / "copies" / "moving.mp4") as annotated_video:
        assert annotated_video.frames_per_second == original_video.frames_per_second == FRAMES_PER_SECOND
        assert len(list(annotated_video.images(FRAMES_PER_SECOND))) == 20


def test_the_output_is_complete_even_without_faces(tmp_path: Path, classify: Classify) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 200), 96, np.uint8))
    assert json.loads(classify(tmp_path, "--json")[1]) == []
    assert classify(tmp_path, "--csv")[1] == ",".join(COLUMNS) + "\n"


def test_an_agent_s_settings_can_be_tried(tmp_path: Path, classify: Classify) -> None:
    config = tmp_path / "agent.toml"
    config.write_text('device = "hallway"\n[faces]\nmin_crop_px = 4000\n')
    code, output, errors = classify(PORTRAIT, "--config", config, "--json")
    assert (code, json.loads(output)) == (0, [])
    assert "frames 1, faces 1, reported 0; left out: faces too small 1" in errors


@pytest.fixture
def detect_every_10th(tmp_path: Path) -> Path:
    """An agent's settings with which faces are followed for nine frames after each detection."""
    config = tmp_path / "agent.toml"
    config.write_text('device = "hallway"\n[faces]\ndetect_every = 10\nmin_face_px = 24\n')
    return config


def test_each_image_is_searched_even_if_the_detector_runs_on_every_tenth_frame_only(
    tmp_path: Path, classify: Classify, detect_every_10th: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number, left in enumerate((0, 60, 110, 170)):
        cv2.imwrite(str(folder / f"{number}.png"), make_scene(left))
    code, output, errors = classify(folder, "--config", detect_every_10th, "--json")
    assert code == 0
    assert "frames 4, faces 4, reported 4" in errors
    predictions = json.loads(output)
    assert [prediction["file"] for prediction in predictions] == ["0.png", "1.png", "2.png", "3.png"]
    expected = [_box_center(make_scene(left)) for left in (0, 60, 110, 170)]
    assert [row["box_left"] + row["box_width"] / 2 for row in predictions] == pytest.approx(expected, abs=0.02)


def test_faces_are_not_followed_from_one_file_into_the_next(
    tmp_path: Path, classify: Classify, detect_every_10th: Path
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    write_video(folder / "a.avi", 15, first_left=0)
    write_video(folder / "b.avi", 15, first_left=120)
    cv2.imwrite(str(folder / "c.png"), make_scene(0))
    write_video(folder / "d.avi", 15, first_left=120)
    _, output, errors = classify(folder, "--config", detect_every_10th, "--json")
    assert "frames 46, faces 46, reported 46" in errors
    frames = Counter[str]()
    for prediction in json.loads(output):
        frames[prediction["file"]] += prediction["frames"]
        assert prediction["track"] == 1
        assert (prediction["box_left"] > 0.3) == (prediction["file"] in ("b.avi", "d.avi"))
    assert frames == {"a.avi": 15, "b.avi": 15, "c.png": 1, "d.avi": 15}


def _box_center(image: NDArray[np.uint8]) -> float:
    """Of the only face, horizontally, as a fraction of the image's width."""
    (face,) = YuNetDetector().detect(image)
    return (face.box.left + face.box.side / 2) / int(image.shape[1])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.mp4"], 7, "nowhere.mp4 does not exist: name a video, an image or a folder of both"),
        (["empty"], 7, "empty contains no images or videos: name another folder"),
        (["broken"], 7, "none of the 1 files in broken could be read"),
        (["broken/a.jpg"], 7, "broken/a.jpg is neither an image nor a video: convert it to JPEG, PNG or MP4"),
        (["broken", "--detector", "hog"], 2, "--detector hog is unknown: use yunet or haar"),
        (["broken", "--detector", "haar", "--config", "agent.toml"], 2, "--config and --detector exclude each other"),
        (["broken", "--overwrite"], 2, "--overwrite is for annotated copies: add --annotated FOLDER"),
        (["broken", "--csv", "--json"], 2, "--csv and --json exclude each other: use only one of them"),
        (["broken", "--annotated", "broken"], 2, "broken contains the originals: name another folder"),
        (["broken", "--annotated", "broken/a.jpg"], 2, "broken/a.jpg is not a writable folder (File exists)"),
        (["broken", "--model", "none.tflite"], 4, "none.tflite cannot be read"),
    ],
)
def test_an_error_that_the_user_can_fix_is_one_line_and_an_exit_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    classify: Classify,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_text("not an image")
    monkeypatch.chdir(tmp_path)
    exit_code, _, errors = classify(*arguments)
    assert exit_code == code
    assert message in errors


def test_predictions_are_made_while_the_video_is_read(tmp_path: Path) -> None:
    progress: list[int] = []
    settings = AgentSettings(device="files")
    vision = VisionPipeline(settings.faces, detector=YuNetDetector(), classifier=Classifier())
    file_classifier = FileClassifier(
        vision, settings, frames_per_second=FRAMES_PER_SECOND, annotated_folder=None, advance=progress.append
    )
    predictions = file_classifier.predictions(identify(write_video(tmp_path / "moving.avi", 40)))
    next(predictions)
    assert sum(progress) == 10
    assert len(list(predictions)) == 3
    assert sum(progress) == 40


def _difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.int16]:
    """(height, width): the largest difference of a pixel's channels."""
    difference: NDArray[np.int16] = np.abs(first.astype(np.int16) - second.astype(np.int16)).max(axis=2)
    return difference
