"""`mien demo` from end to end: embedded MQTT broker, agent and collector as child processes."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
from polling import wait_for


def run_demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mien", "demo", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_the_portrait_becomes_rows_that_query_lists(tmp_path: Path) -> None:
    process = run_demo(tmp_path, "--seconds", "9", "--db", "demo.db")
    assert process.returncode == 0, process.stderr
    assert "$ mien query --by emotion --db demo.db" in process.stdout
    query = [sys.executable, "-m", "mien", "query", "--db", "demo.db", "--json"]
    rows = json.loads(subprocess.run(query, cwd=tmp_path, capture_output=True, check=True).stdout)
    assert len(rows) >= 3
    assert {row["device"] for row in rows} == {"demo"}
    lines = [line for line in process.stdout.splitlines() if "█" in line]
    assert len(lines) == len(rows)


def test_an_image_ends_by_itself(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((480, 640), 128, np.uint8))
    process = run_demo(tmp_path, "--source", "wall.png")
    assert process.returncode == 0, process.stderr
    assert "no observations match" in process.stdout


def test_a_missing_source_ends_with_the_agent_s_error(tmp_path: Path) -> None:
    process = run_demo(tmp_path, "--source", "nowhere.mp4")
    assert process.returncode == 7
    assert process.stderr.splitlines()[-1].startswith("mien: the demo's agent failed:")
    assert "nowhere.mp4 does not exist" in process.stderr


def test_ctrl_c_prints_the_counts_and_leaves_no_process(tmp_path: Path) -> None:
    marker = f"MIEN_TEST={tmp_path}"
    environment = os.environ | dict([marker.split("=", 1)])
    command = [sys.executable, "-m", "mien", "demo", "--db", "demo.db"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        # If a shell runs the tests in the background, its children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )

    def count_rows() -> int:
        try:
            with closing(sqlite3.connect(tmp_path / "demo.db")) as database:
                return int(database.execute("SELECT count(*) FROM observation").fetchone()[0])
        except sqlite3.OperationalError:
            return 0

    wait_for(lambda: count_rows() >= 1, 60)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "$ mien query --by emotion" in output
    assert not _marked_processes(marker)


def _marked_processes(marker: str) -> list[int]:
    """The ids of the processes with the marker in their environment, which children inherit."""
    ids = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (entry / "environ").read_bytes():
                ids.append(int(entry.name))
        except OSError:
            continue
    return ids


def test_killing_the_demo_leaves_no_camera_on(tmp_path: Path) -> None:
    marker = f"MIEN_TEST={tmp_path}-killed"
    environment = os.environ | dict([marker.split("=", 1)])
    command = [sys.executable, "-m", "mien", "demo"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) as process:
        wait_for(lambda: len(_marked_processes(marker)) >= 3, 60)
        process.kill()
    wait_for(lambda: not _marked_processes(marker), 30)
