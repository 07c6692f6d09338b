"""`mien classify` shows what its model is unsure of as uncertain: in lines and copies for people, and nowhere else."""

import csv
import io
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from mien.cli import main
from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.image_file import read_image
from mien.edge.classify.annotation import COLORS, annotate
from mien.edge.vision.tracker import FaceResult
from mien.emotions import EMOTIONS
from mien.face_detection.box import Box
from mien.face_detection.face import Face
from mien.model.model_card import DEFAULT_MODEL, ConfidenceThreshold, append_model_card, bare_weights, read_model


def model_with_threshold(folder: Path, confidence: float | None) -> Path:
    """The shipped weights with another threshold on the card."""
    _, card = read_model(DEFAULT_MODEL)
    threshold = None
    if confidence is not None:
        threshold = ConfidenceThreshold(confidence=confidence, accuracy=0.9, coverage=0.5, chosen_on="a test")
    path = folder / f"{confidence}.tflite"
    weights = bare_weights(DEFAULT_MODEL.read_bytes())
    path.write_bytes(append_model_card(weights, msgspec.structs.replace(card, threshold=threshold)))
    return path


@pytest.mark.parametrize(
    ("threshold", "options", "shown"),
    [
        (1.01, [], "uncertain"),
        (1.01, ["--no-uncertain"], "happy"),
        (0.01, [], "happy"),
        (None, [], "happy"),
    ],
)
def test_a_line_says_uncertain_below_the_threshold_of_the_model_s_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], threshold: float | None, options: list[str], shown: str
) -> None:
    model = model_with_threshold(tmp_path, threshold)
    assert main(["classify", str(PORTRAIT), "--model", str(model), *options]) == 0
    file, track, emotion, confidence, _ = capsys.readouterr().out.split()
    assert (file, track, emotion) == ("portrait.jpg", "1", shown)
    assert float(confidence) > 0.5


def test_json_and_csv_keep_the_emotion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = model_with_threshold(tmp_path, 1.01)
    for option in ("--json", "--csv"):
        assert main(["classify", str(PORTRAIT), "--model", str(model), option]) == 0
        output = capsys.readouterr().out
        rows = json.loads(output) if option == "--json" else list(csv.DictReader(io.StringIO(output)))
        assert [row["emotion"] for row in rows] == ["happy"]


@pytest.mark.parametrize(("threshold", "shown"), [(0.7, "uncertain"), (0.6, "happy")])
def test_an_annotated_face_below_the_threshold_has_the_color_of_uncertain(threshold: float, shown: str) -> None:
    scores = np.full(7, 0.05, np.float32)
    scores[EMOTIONS.index("happy")] = 0.65
    face = FaceResult(
        face=Face(box=Box(100, 100, 80), score=0.9), box_fractions=(0, 0, 0, 0), scores=scores, latency_ms=1
    )
    image = np.zeros((300, 400, 3), np.uint8)
    copy = annotate(image, [(1, face)], threshold=threshold)
    assert tuple(copy[150, 100]) == COLORS[shown]  # on the left side of the box
    assert COLORS["uncertain"] != COLORS["happy"]


def test_copies_say_uncertain_unless_that_is_switched_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(model_with_threshold(tmp_path, 1.01))
    copies = {}
    for name, options in {"on": [], "off": ["--no-uncertain"]}.items():
        arguments = ["--annotated", str(tmp_path / name), "--model", model, *options]
        assert main(["classify", str(PORTRAIT), *arguments]) == 0
        copies[name] = read_image(tmp_path / name / "portrait.jpg", color=True)
    capsys.readouterr()
    assert np.count_nonzero(copies["on"] != copies["off"]) > 100
