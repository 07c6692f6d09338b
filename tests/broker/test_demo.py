"""`mien demo`, the whole path: embedded broker, agent and collector as child processes."""

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
from waiting import wait_for


def demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mien", "demo", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_the_portrait_becomes_rows_that_query_answers(tmp_path: Path) -> None:
    done = demo(tmp_path, "--seconds", "9", "--db", "demo.db")
    assert done.returncode == 0, done.stderr
    assert "$ mien query --by emotion --db demo.db" in done.stdout
    query = [sys.executable, "-m", "mien", "query", "--db", "demo.db", "--json"]
    rows = json.loads(subprocess.run(query, cwd=tmp_path, capture_output=True, check=True).stdout)
    assert len(rows) >= 3
    assert {row["device"] for row in rows} == {"demo"}
    shown = [line for line in done.stdout.splitlines() if "█" in line]
    assert len(shown) == len(rows)


def test_a_picture_ends_by_itself(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((480, 640), 128, np.uint8))
    done = demo(tmp_path, "--source", "wall.png")
    assert done.returncode == 0, done.stderr
    assert "no observations match" in done.stdout


def test_a_source_that_is_missing_ends_with_the_agent_s_error(tmp_path: Path) -> None:
    done = demo(tmp_path, "--source", "nowhere.mp4")
    assert done.returncode == 7
    assert done.stderr.splitlines()[-1].startswith("mien: the demo's agent ended:")
    assert "nowhere.mp4 does not exist" in done.stderr


def test_ctrl_c_ends_with_the_answer_and_leaves_no_process(tmp_path: Path) -> None:
    mark = f"MIEN_TEST={tmp_path}"
    environment = os.environ | dict([mark.split("=", 1)])
    command = [sys.executable, "-m", "mien", "demo", "--db", "demo.db"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background has its children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )

    def rows() -> int:
        try:
            with closing(sqlite3.connect(tmp_path / "demo.db")) as database:
                return int(database.execute("SELECT count(*) FROM observation").fetchone()[0])
        except sqlite3.OperationalError:
            return 0

    wait_for(lambda: rows() >= 1, 60)
    process.send_signal(signal.SIGINT)
    shown, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "$ mien query --by emotion" in shown
    assert not _marked_processes(mark)


def _marked_processes(mark: str) -> list[int]:
    """The processes that have a mark in their environment, which children inherit."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_a_demo_that_is_killed_leaves_no_camera_on(tmp_path: Path) -> None:
    mark = f"MIEN_TEST={tmp_path}-killed"
    environment = os.environ | dict([mark.split("=", 1)])
    command = [sys.executable, "-m", "mien", "demo"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) as process:
        wait_for(lambda: len(_marked_processes(mark)) >= 3, 60)
        process.kill()
    wait_for(lambda: not _marked_processes(mark), 30)
