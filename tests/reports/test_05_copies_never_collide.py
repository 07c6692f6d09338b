"""Annotated copies: one for each file, and nothing is overwritten unasked."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.cli import main
from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.media_file import identify


def write_video(path: Path) -> None:
    frame = cv2.imdecode(np.frombuffer(PORTRAIT.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert frame is not None
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (240, 260))
    for _ in range(3):
        writer.write(frame)
    writer.release()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "inner").mkdir(parents=True)
    for name in ("a.mp4", "a.mov", "a.avi", "a.mov.mp4", "b.mov", "inner/a.mp4"):
        write_video(folder / name)
    for name in ("a.jpg", "a.jfif", "a", "inner/a.jpg"):
        (folder / name).write_bytes(PORTRAIT.read_bytes())
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_each_file_has_a_copy_of_its_own(folder: Path, tmp_path: Path) -> None:
    originals = contents(folder)
    assert main(["classify", str(folder), "--recursive", "--annotated", str(tmp_path / "copies"), "--csv"]) == 0
    assert contents(folder) == originals
    copies = contents(tmp_path / "copies")
    assert len(copies) == len(originals) == 10
    assert {"a.mp4", "a.mov.mp4", "b.mp4", "a.jpg", "inner/a.mp4", "inner/a.jpg"} <= copies.keys()
    kinds = [identify(tmp_path / "copies" / name).kind for name in copies]
    assert (kinds.count("video"), kinds.count("image")) == (6, 4)


def test_what_exists_is_not_overwritten_unasked(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    (copies / "b.mp4").write_text("somebody's")
    command = ["classify", str(folder), "--annotated", str(copies), "--csv"]
    assert main(command) == 2
    assert contents(copies) == {"b.mp4": b"somebody's"}
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"mien: {copies}/b.mp4 exists already: add --overwrite, or name another folder\n"
    assert main([*command, "--overwrite"]) == 0
    assert identify(copies / "b.mp4").kind == "video"


def test_the_folder_of_copies_may_be_inside_and_is_not_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["classify", str(folder), "--recursive", "--annotated", str(folder / "copies"), "--csv"]
    assert main(command) == 0
    first = capsys.readouterr().out
    assert main([*command, "--overwrite"]) == 0
    assert capsys.readouterr().out == first
    assert len(contents(folder / "copies")) == 10


def test_copies_are_never_written_over_the_originals(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    originals = contents(folder)
    assert main(["classify", str(folder), "--annotated", str(folder), "--overwrite"]) == 2
    assert "contains the originals: name another folder for the annotated copies" in capsys.readouterr().err
    assert contents(folder) == originals
