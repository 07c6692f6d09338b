"""`mien agent run` as its user meets it: a process, a file, an exit code."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mosquitto import Mosquitto, free_port
from waiting import wait_for

import mien.broker

PORTRAIT = Path(next(iter(mien.broker.__path__))) / "portrait.jpg"
COMMAND = [sys.executable, "-m", "mien", "agent", "run", "--config", "agent.toml"]


def write_settings(folder: Path, port: int, camera: str, extra: str = "") -> None:
    (folder / "agent.toml").write_text(
        f'device = "hallway"\noutbox = "outbox.db"\nclock = "trusted"\n{extra}\n'
        f"[mqtt]\nport = {port}\n[motion]\nscript = [[0.0, 1e9]]\n[camera]\n{camera}\n"
    )


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(COMMAND, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def waiting_rows(folder: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{folder}/outbox.db?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT count(*) FROM observation").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_it_observes_into_its_outbox_while_the_broker_is_away(tmp_path: Path) -> None:
    write_settings(tmp_path, free_port(), f'kind = "portrait"\npath = "{PORTRAIT}"')
    process = subprocess.Popen(COMMAND, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: waiting_rows(tmp_path) >= 2, 60)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "no broker at 127.0.0.1" in said
    assert "observations wait in the outbox" in said
    assert "Traceback" not in said
    assert waiting_rows(tmp_path) >= 2


def test_a_broker_that_refuses_is_named_and_observing_goes_on(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = start_mosquitto("allow_anonymous false")
    write_settings(tmp_path, broker.port, f'kind = "portrait"\npath = "{PORTRAIT}"')
    process = subprocess.Popen(COMMAND, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: waiting_rows(tmp_path) >= 2, 60)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "refuses this client (Not authorized): check mqtt.username" in said
    assert said.count("refuses this client") <= 4  # seconds apart, not a tight loop


@pytest.mark.parametrize(
    ("camera", "extra", "code", "message"),
    [
        ('kind = "file"\npath = "nowhere.mp4"', "", 7, "nowhere.mp4 does not exist"),
        ('kind = "usb"\nindex = 77', "", 7, "there is no USB camera 77"),
        ('kind = "fil"', "", 3, "camera.kind: Invalid enum value 'fil'"),
        ('kin = "file"', "", 3, "unknown key camera.kin: did you mean camera.kind?"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_a_code(
    tmp_path: Path, camera: str, extra: str, code: int, message: str
) -> None:
    write_settings(tmp_path, free_port(), camera, extra)
    done = run(tmp_path)
    assert done.returncode == code
    assert done.stderr.splitlines()[-1].startswith("mien: ")
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_an_outbox_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    write_settings(tmp_path, free_port(), 'kind = "file"\npath = "/"')
    (tmp_path / "outbox.db").mkdir()
    done = run(tmp_path)
    assert done.returncode == 8
    assert done.stderr.splitlines()[-1].startswith("mien: the outbox outbox.db cannot be opened")
