"""`mien agent` as its user runs it: a process, a file, an exit code."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mosquitto import Mosquitto, free_port
from polling import wait_for

COMMAND = [sys.executable, "-m", "mien", "agent", "--config", "agent.toml"]


def write_settings(folder: Path, port: int, camera: str) -> None:
    (folder / "agent.toml").write_text(
        f'device = "hallway"\noutbox = "outbox.db"\nclock = "trusted"\n'
        f"[mqtt]\nport = {port}\n[motion]\nkind = 'simulated'\nintervals_s = [[0.0, 1e9]]\n[camera]\n{camera}\n"
        "frames_per_second = 20\n[reporting]\ninterval_s = 0.25\nmin_frames = 1\n"
    )


def run_agent(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(COMMAND, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def count_rows(folder: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{folder}/outbox.db?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT count(*) FROM message").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def run_agent_until_it_observes(folder: Path) -> str:
    """Stop the agent once its outbox has two rows, and return its log."""
    with subprocess.Popen(COMMAND, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(lambda: count_rows(folder) >= 2, 60)
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    return log


def test_it_observes_into_its_outbox_while_the_broker_is_unavailable(tmp_path: Path) -> None:
    write_settings(tmp_path, free_port(), 'kind = "demo"')
    log = run_agent_until_it_observes(tmp_path)
    assert "no MQTT broker at 127.0.0.1" in log
    assert "observations wait in the outbox" in log
    assert "Traceback" not in log
    assert count_rows(tmp_path) >= 2


def test_a_broker_that_refuses_is_reported_and_observing_continues(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = start_mosquitto("allow_anonymous false")
    write_settings(tmp_path, broker.port, 'kind = "demo"')
    log = run_agent_until_it_observes(tmp_path)
    assert "refused this client (Not authorized): check mqtt.username" in log
    assert log.count("refused this client") <= 4  # seconds apart, not a tight loop


@pytest.mark.parametrize(
    ("camera", "code", "message"),
    [
        ('kind = "file"\npath = "nowhere.mp4"', 7, "nowhere.mp4 does not exist"),
        ('kind = "demo"\npath = "nowhere.jpg"', 7, "nowhere.jpg does not exist"),
        ('kind = "fil"', 3, "camera.kind: Invalid enum value 'fil'"),
        ('kin = "file"', 3, "unknown key camera.kin: did you mean camera.kind?"),
    ],
)
def test_an_error_that_the_user_can_fix_is_one_line_and_an_exit_code(
    tmp_path: Path, camera: str, code: int, message: str
) -> None:
    write_settings(tmp_path, free_port(), camera)
    result = run_agent(tmp_path)
    assert result.returncode == code
    assert result.stderr.splitlines()[-1].startswith("mien: ")
    assert message in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_a_usb_camera_that_is_not_plugged_in_is_waited_for(tmp_path: Path) -> None:
    write_settings(tmp_path, free_port(), 'kind = "usb"\nindex = 77')
    with subprocess.Popen(COMMAND, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as agent:
        assert agent.stderr is not None
        line = next(line for line in agent.stderr if "USB camera 77" in line)
        assert "there is no USB camera 77: plug it in" in line
        assert "reopening the camera in" in line
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(30) == 0


def test_an_outbox_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    write_settings(tmp_path, free_port(), 'kind = "file"\npath = "/"')
    (tmp_path / "outbox.db").mkdir()
    result = run_agent(tmp_path)
    assert result.returncode == 8
    assert result.stderr.splitlines()[-1].startswith("mien: the outbox outbox.db cannot be opened")
