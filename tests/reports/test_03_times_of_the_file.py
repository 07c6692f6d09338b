"""A video is reported, and shown by the file camera, at its frames' own times, whatever its mean frame rate."""

import json
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from simulated_time import SimulatedTime

from mien.cli import main
from mien.edge.camera.demo_camera import PORTRAIT
from mien.edge.camera.factory import open_camera
from mien.edge.camera.settings import FileCameraSettings
from mien.edge.camera.video_file import VideoFile

PAUSE_S = 18.0


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + name + content


def with_pause(data: bytes) -> bytes:
    """An MP4 whose second half begins PAUSE_S later: its table of frame durations (stts) gets three entries."""
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        data = data.replace(name, b"|" + name, 1)  # marks where each box is; what is inside is found behind its name
    start = data.index(b"|stbl")
    position = data.index(b"stts", start) - 4
    size, _, flags, entries, count, delta = struct.unpack_from(">I4sIIII", data, position)
    assert entries == 1
    timescale_position = data.index(b"mdhd") + 16
    (timescale,) = struct.unpack_from(">I", data, timescale_position)
    half = count // 2
    durations = [(half - 1, delta), (1, delta + round(PAUSE_S * timescale)), (count - half, delta)]
    table = box(b"stts", struct.pack(">II", flags, 3) + b"".join(struct.pack(">II", *entry) for entry in durations))
    data = data[:position] + table + data[position + size :]
    grown = len(table) - size
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        place = data.index(b"|" + name) - 4
        (length,) = struct.unpack_from(">I", data, place)
        data = data[:place] + struct.pack(">I", length + grown) + name + data[place + 5 + len(name) :]
    return data.replace(b"edts", b"free", 1)  # the edit list ends where the video did before


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2 s at 10 frames a second, a pause of 18 s, and 2 s at 10 frames a second."""
    path = tmp_path_factory.mktemp("video") / "pause.mp4"
    frame = cv2.imdecode(np.frombuffer(PORTRAIT.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert frame is not None
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (240, 260))
    for _ in range(40):
        writer.write(frame)
    writer.release()
    path.write_bytes(with_pause(path.read_bytes()))
    return path


TIMES_S = [number / 10 + (PAUSE_S if number >= 20 else 0) for number in range(40)]


def test_each_frame_has_its_own_time(video: Path) -> None:
    with VideoFile(video) as file:
        assert [at_s for at_s, _ in file.images(1000)] == pytest.approx(TIMES_S)
        assert file.frames_per_second < 2  # the mean, which the times must not be made of


def test_a_limited_frame_rate_skips_frames_by_their_times(video: Path) -> None:
    with VideoFile(video) as file:
        times_s = [at_s for at_s, _ in file.images(5)]
    assert times_s == pytest.approx(TIMES_S[::2])


def test_intervals_are_those_of_the_frames_and_none_spans_the_pause(
    video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", str(video), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["at_s"], row["frames"]) for row in rows] == [(1.0, 11), (1.9, 9), (20.0, 1), (21.0, 10), (21.9, 9)]
    assert {row["track"] for row in rows} == {1}


def test_the_file_camera_shows_frames_at_their_times_and_shortens_long_pauses(video: Path) -> None:
    simulated_time = SimulatedTime()
    settings = FileCameraSettings(path=str(video), frames_per_second=10)
    with open_camera(settings, simulated_time.timer()) as frames:
        arrived_s = [frame.arrived_s for frame in frames]
    start_s = arrived_s[0]
    expected = [at_s - (PAUSE_S - 9.9 if at_s >= PAUSE_S else 0) for at_s in TIMES_S]
    assert [at_s - start_s for at_s in arrived_s] == pytest.approx(expected)


def test_the_annotated_copy_keeps_the_pause(video: Path, tmp_path: Path) -> None:
    assert main(["classify", str(video), "--annotated", str(tmp_path), "--csv"]) == 0
    with VideoFile(tmp_path / "pause.mp4") as copy:
        times_s = [at_s for at_s, _ in copy.images(1000)]
    assert times_s[-1] == pytest.approx(21.9)
    assert len(times_s) == 220


def test_one_frame_every_few_seconds_is_one_prediction_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    animation = cv2.Animation()
    frame = cv2.imdecode(np.frombuffer(PORTRAIT.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert frame is not None
    animation.frames = [np.roll(frame, shift, 1) for shift in range(4)]
    animation.durations = [5000] * 4
    assert cv2.imwriteanimation(str(tmp_path / "lapse.gif"), animation)
    assert main(["classify", str(tmp_path / "lapse.gif"), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["at_s"], row["frames"], row["track"]) for row in rows] == [(at_s, 1, 1) for at_s in (0, 5, 10, 15)]
