"""`mien classify` on files that are made here: the portrait, alone and moving, and what is no picture."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import mien.broker
from mien.classifier import Classifier
from mien.command import main
from mien.edge.finding import COLUMNS
from mien.edge.frame import read_picture
from mien.edge.reel import Reel
from mien.edge.settings import AgentSettings
from mien.edge.video import Video
from mien.edge.vision import Vision
from mien.faces import HaarDetector

PORTRAIT = Path(next(iter(mien.broker.__path__))) / "portrait.jpg"
RATE = 10.0


def video(path: Path, count: int) -> Path:
    """The portrait, moving to the right on a grey wall, a tenth of a second each frame."""
    portrait = cv2.resize(read_picture(PORTRAIT, colour=True), (150, 180))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), RATE, (320, 240))
    for number in range(count):
        frame = np.full((240, 320, 3), 96, np.uint8)
        left = 20 + number
        frame[30:210, left : left + 150] = portrait
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture
def classify(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command; its exit code, what it printed and what it said."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["classify", *map(str, arguments)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_a_picture_s_face_is_one_finding(classify: Callable[..., tuple[int, str, str]]) -> None:
    code, printed, said = classify(PORTRAIT, "--json")
    assert code == 0
    (finding,) = json.loads(printed)
    assert list(finding) == list(COLUMNS)
    assert (finding["file"], finding["track"], finding["frames"], finding["at_s"]) == ("portrait.jpg", 1, 1, None)
    assert finding["emotion"] == "happy"
    assert finding["confidence"] == finding["happy"] > 0.5
    assert "files 1, frames 1, faces classified 1" in said


def test_a_video_s_face_is_one_track_with_a_finding_a_second(
    tmp_path: Path, classify: Callable[..., tuple[int, str, str]]
) -> None:
    code, printed, _ = classify(video(tmp_path / "moving.avi", 36), "--csv")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert [row["at_s"] for row in rows] == ["1.0", "2.0", "3.0", "3.5"]
    assert {row["track"] for row in rows} == {"1"}
    assert sum(int(row["frames"]) for row in rows) == 36
    left = [float(row["box_left"]) for row in rows]
    assert left == sorted(left)
    assert left[-1] - left[0] == pytest.approx(25 / 320, abs=0.03)


def test_fewer_frames_a_second_are_looked_at_where_that_is_asked_for(
    tmp_path: Path, classify: Callable[..., tuple[int, str, str]]
) -> None:
    _, printed, said = classify(video(tmp_path / "moving.mp4", 30), "--json", "--frames-per-second", "2")
    assert "frames 6," in said
    assert sum(finding["frames"] for finding in json.loads(printed)) == 6


def test_annotated_copies_have_every_frame_and_a_box_around_the_face(
    tmp_path: Path, classify: Callable[..., tuple[int, str, str]]
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    original = video(folder / "moving.avi", 20)
    (folder / "portrait.jpg").write_bytes(PORTRAIT.read_bytes())
    code, _, _ = classify(folder, "--annotated", tmp_path / "copies")
    assert code == 0
    assert sorted(file.name for file in (tmp_path / "copies").iterdir()) == ["moving.mp4", "portrait.jpg"]
    changed = _difference(
        read_picture(PORTRAIT, colour=True), read_picture(tmp_path / "copies" / "portrait.jpg", colour=True)
    )
    box = HaarDetector(working_width=640).find(read_picture(PORTRAIT))[0]
    assert changed[box.top + 1 : box.top + box.side - 1, box.left].mean() > 40  # the left side of the box
    middle = (
        slice(box.top + box.side // 3, box.top + box.side // 2),
        slice(box.left + box.side // 3, box.left + box.side // 2),
    )
    assert changed[middle].mean() < 10
    with Video(original) as before, Video(tmp_path / "copies" / "moving.mp4") as after:
        assert after.rate == before.rate == RATE
        assert len(list(after.pictures(RATE))) == 20


def test_what_is_no_picture_is_named_and_left_out(
    tmp_path: Path, classify: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "a.jpg").write_text("not a picture")
    (tmp_path / "b.mp4").write_text("not a video")
    (tmp_path / "c.jpg").write_bytes(PORTRAIT.read_bytes())
    (tmp_path / "notes.txt").write_text("neither")
    code, printed, said = classify(tmp_path, "--json")
    assert code == 0
    assert [finding["file"] for finding in json.loads(printed)] == ["c.jpg"]
    assert "a.jpg is not a picture that OpenCV can read" in said
    assert "b.mp4 is not a video or picture that OpenCV can read" in said
    assert "notes.txt" not in said


def test_where_nothing_is_found_the_output_is_still_whole(
    tmp_path: Path, classify: Callable[..., tuple[int, str, str]]
) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 200), 96, np.uint8))
    assert json.loads(classify(tmp_path, "--json")[1]) == []
    assert classify(tmp_path, "--csv")[1] == ",".join(COLUMNS) + "\n"


def test_the_agent_s_own_settings_can_be_tried(tmp_path: Path, classify: Callable[..., tuple[int, str, str]]) -> None:
    config = tmp_path / "agent.toml"
    config.write_text('device = "hallway"\n[faces]\nsmallest_crop = 4000\n')
    code, printed, said = classify(PORTRAIT, "--config", config, "--json")
    assert (code, json.loads(printed)) == (0, [])
    assert "left out as too small 1" in said


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.mp4"], 7, "nowhere.mp4 does not exist: name a video, a picture or a folder of them"),
        (["empty"], 7, "empty holds no picture or video: name another folder"),
        (["broken"], 7, "none of the 1 files in broken could be read"),
        (["broken/a.jpg"], 7, "broken/a.jpg is not a picture that OpenCV can read: convert it to JPEG or PNG"),
        (["broken", "--csv", "--json"], 2, "--csv and --json exclude each other: give one of them"),
        (["broken", "--annotated", "broken"], 2, "broken holds the originals: name another folder"),
        (["broken", "--annotated", "broken/a.jpg"], 2, "broken/a.jpg is no folder to write into (File exists)"),
        (["broken", "--model", "none.tflite"], 4, "none.tflite cannot be read"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_a_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    classify: Callable[..., tuple[int, str, str]],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_text("not a picture")
    monkeypatch.chdir(tmp_path)
    exit_code, _, said = classify(*arguments)
    assert exit_code == code
    assert message in said


def test_findings_come_while_the_video_is_still_read(tmp_path: Path) -> None:
    seen: list[int] = []
    settings = AgentSettings(device="files")
    vision = Vision(settings.faces, detector=HaarDetector(), classifier=Classifier())
    reel = Reel(vision, settings, rate=RATE, folder=None, seen=seen.append)
    findings = reel.findings(video(tmp_path / "moving.avi", 40))
    next(findings)
    assert sum(seen) == 10
    assert len(list(findings)) == 3
    assert sum(seen) == 40


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.int16]:
    return np.abs(one.astype(np.int16) - other.astype(np.int16)).max(axis=2)
