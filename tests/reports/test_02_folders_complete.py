"""A folder's answer is complete or says what it left out, by name and reason."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.edge.camera.demo_camera import PORTRAIT


def classify(*arguments: object) -> tuple[int, list[dict[str, object]], list[str]]:
    """Run the command as a process, since native libraries write to its standard error; exit code, rows, lines."""
    command = [sys.executable, "-c", "import sys; from mien.cli import main; sys.exit(main())", "classify", "--json"]
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("INFO: Created TensorFlow Lite")]
    return done.returncode, json.loads(done.stdout or "[]"), lines


def write_video(path: Path) -> bytes:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (240, 260))
    frame = cv2.imdecode(np.frombuffer(PORTRAIT.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert frame is not None
    for _ in range(20):
        writer.write(frame)
    writer.release()
    return path.read_bytes()


def test_each_file_is_read_or_left_out_by_name_and_reason(tmp_path: Path) -> None:
    portrait = PORTRAIT.read_bytes()
    video = write_video(tmp_path / "i.mp4")
    contents = {
        "a.jpg": portrait,
        "b.jpg": portrait[: len(portrait) // 2],
        "c.jpg": portrait[: len(portrait) // 2] + b"\xff\xd9",
        "d.png": b"",
        "e.jpg": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "f": portrait,
        "g.txt": b"notes\n",
        "h.mp4": b"not a video\n",
        "j.mp4": video[: video.index(b"moov")],
        "k.png": cv2.imencode(".png", np.zeros((99, 99), np.uint8))[1].tobytes()[:60],
        "l.bmp": b"BM" + bytes(12) + b"\x28\0\0\0",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    os.mkfifo(tmp_path / "m")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "n.jpg").write_bytes(portrait)
    exit_code, rows, lines = classify(tmp_path)
    assert exit_code == 0
    assert [row["file"] for row in rows] == ["a.jpg", "f", "i.mp4", "i.mp4"]
    *left_out, summary = lines
    assert sorted(left_out) == [
        f"left out: {tmp_path}/b.jpg is cut off: copy it again",
        f"left out: {tmp_path}/c.jpg is damaged (Corrupt JPEG data: premature end of data segment): copy it again",
        f"left out: {tmp_path}/d.png is empty: copy it again",
        f"left out: {tmp_path}/e.jpg is HEIC, which OpenCV cannot read: convert it to JPEG, with "
        "`heif-convert IN OUT.jpg` for example, and set an iPhone's camera to the format Most Compatible",
        f"left out: {tmp_path}/g.txt is neither an image nor a video: convert it to JPEG, PNG or MP4",
        f"left out: {tmp_path}/h.mp4 is neither an image nor a video: convert it to JPEG, PNG or MP4",
        f"left out: {tmp_path}/inner is a folder: add --recursive",
        f"left out: {tmp_path}/j.mp4 is incomplete, its index (moov) is missing: copy or record it again",
        f"left out: {tmp_path}/k.png is cut off: copy it again",
        f"left out: {tmp_path}/l.bmp is a damaged BMP, or of a kind that OpenCV cannot read: copy it again, or "
        "convert it to JPEG or PNG",
        f"left out: {tmp_path}/m is not a regular file: copy what it delivers into a file",
    ]
    assert summary == "files 3, frames 22, faces 22, reported 22; left out: files 11"


def test_the_folders_inside_are_read_on_request_and_links_never_lead_in_circles(tmp_path: Path) -> None:
    for folder in ("", "2025", "2025/may"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "a.jpg").write_bytes(PORTRAIT.read_bytes())
    (tmp_path / "2025" / "circle").symlink_to(tmp_path)
    exit_code, rows, lines = classify(tmp_path, "--recursive")
    assert exit_code == 0
    assert [row["file"] for row in rows] == ["a.jpg", "2025/a.jpg", "2025/may/a.jpg"]
    assert lines == [
        f"left out: {tmp_path}/2025/circle is a link to a folder: name that folder itself",
        "files 3, frames 3, faces 3, reported 3; left out: files 1",
    ]


def test_of_a_video_that_is_cut_off_the_rest_is_read_and_it_is_named(tmp_path: Path) -> None:
    data = write_video(tmp_path / "whole.mp4")
    index, content = data.index(b"moov") - 4, data.index(b"mdat") - 4
    moov = data[index:]
    position = moov.index(b"stco")  # where the chunks are; the index goes in front of them, as streaming servers want
    count = struct.unpack_from(">I", moov, position + 8)[0]
    offsets = struct.unpack_from(f">{count}I", moov, position + 12)
    shifted = struct.pack(f">{count}I", *(offset + len(moov) for offset in offsets))
    moov = moov[: position + 12] + shifted + moov[position + 12 + len(shifted) :]
    (tmp_path / "whole.mp4").write_bytes(data[:content] + moov + data[content : index - 2000])
    exit_code, rows, lines = classify(tmp_path / "whole.mp4")
    assert exit_code == 7
    frames = sum(row["frames"] for row in rows if isinstance(row["frames"], int))
    assert 1 <= frames < 20
    (line,) = lines
    message = f"{tmp_path}/whole.mp4 is incomplete, only its first {frames} frames were read: copy it again"
    assert json.loads(line)["error"] == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PORTRAIT.read_bytes()[:9000], "is cut off: copy it again"),
        (b"", "is empty: copy it again"),
        (b"text", "is neither an image nor a video: convert it to JPEG, PNG or MP4"),
    ],
)
def test_a_single_file_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    exit_code, rows, lines = classify(tmp_path / "a.jpg")
    assert (exit_code, rows) == (7, [])
    assert [json.loads(line)["error"] for line in lines] == [f"{tmp_path}/a.jpg {message}"]
