"""`mien aim` as its user runs it, beside an agent that runs."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from mosquitto import Mosquitto, free_port
from paho.mqtt import subscribe
from polling import wait_for

from mien.edge.commands.aim import MAX_MINUTES

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts a command of mien, with its log in a file of its name, until the test ends."""
    with ExitStack() as stack:

        def start_command(*arguments: str) -> "subprocess.Popen[str]":
            with (tmp_path / f"{arguments[0]}.log").open("w") as log:
                command = [sys.executable, "-m", "mien", *arguments, "--config", "agent.toml"]
                process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=log, text=True)
            assert process.stdout
            stack.callback(process.stdout.close)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        yield start_command


def write_settings(folder: Path, port: int) -> None:
    (folder / "agent.toml").write_text(
        f'device = "hallway"\noutbox = "outbox.db"\nclock = "trusted"\n[mqtt]\nport = {port}\n'
        "[motion]\nkind = 'simulated'\nintervals_s = [[0.0, 1e9]]\n[camera]\nkind = 'demo'\nframes_per_second = 20\n"
        "[reporting]\ninterval_s = 0.25\nmin_frames = 1\n"
    )


def count_rows(folder: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{folder}/outbox.db?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT count(*) FROM message").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def read_url(aim: "subprocess.Popen[str]") -> str:
    assert aim.stdout
    url = aim.stdout.readline().strip()
    assert url.startswith("http://127.0.0.1:")
    return url


def ask(url: str, path: str, *, body: str | None = None, cookie: str = "") -> tuple[dict[str, Any], str]:
    """The JSON of a response, and the cookie that it sets."""
    port = int(url.partition("/#")[0].rpartition(":")[2])
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST" if body else "GET", path, body, {"Cookie": cookie})
        response = connection.getresponse()
        return json.loads(response.read()), response.headers.get("Set-Cookie", "").partition(";")[0]


@pytest.mark.parametrize("ending", ["SIGKILL", "SIGTERM"])
def test_the_agent_pauses_and_goes_on_however_aim_ends(ending: str, tmp_path: Path, start: Start) -> None:
    write_settings(tmp_path, free_port())
    agent = start("agent")
    wait_for(lambda: count_rows(tmp_path) >= 2, 60)
    aim = start("aim", "--port", "0")
    url = read_url(aim)
    log = tmp_path / "agent.log"
    wait_for(lambda: "the capture has ended" in log.read_text(), 30)
    assert "`mien aim` has the camera: paused" in log.read_text()
    rows = count_rows(tmp_path)
    _, cookie = ask(url, "/session", body=url.partition("#")[2])
    wait_for(lambda: ask(url, "/state", cookie=cookie)[0]["view"]["faces"], 30)
    # a second's frames, of which the agent would have made four rows
    number, motions = 0, set()
    for _ in range(4):
        view = ask(url, f"/state?after={number}", cookie=cookie)[0]["view"]
        number = view["number"]
        motions |= {advice["text"] for advice in view["advice"] if advice["topic"] == "motion"}
    assert motions == {"something moves"}
    assert count_rows(tmp_path) == rows
    aim.send_signal(signal.Signals[ending])
    assert aim.wait(30) == (-signal.SIGKILL if ending == "SIGKILL" else 0)
    wait_for(lambda: count_rows(tmp_path) >= rows + 2, 60)
    assert agent.poll() is None
    assert "the camera is back" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_the_health_report_says_that_the_agent_is_paused(
    tmp_path: Path, start: Start, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = start_mosquitto()
    write_settings(tmp_path, broker.port)
    read_url(start("aim", "--port", "0"))
    start("agent")
    message = subscribe.simple("mien/hallway/health", hostname="127.0.0.1", port=broker.port)  # type: ignore[no-untyped-call]
    camera = json.loads(message.payload)["camera"]
    assert (camera["state"], camera["paused"]) == ("closed", True)


def test_it_closes_by_itself(tmp_path: Path, start: Start) -> None:
    write_settings(tmp_path, free_port())
    aim = start("aim", "--port", "0", "--minutes", "0.01")
    read_url(aim)
    assert aim.wait(30) == 0
    lines = (tmp_path / "aim.log").read_text().splitlines()
    assert lines[-1].startswith("Closed: ")
    assert "It closes by itself in 0.01 minutes; until then the agent is paused." in lines


def test_nothing_is_stored(tmp_path: Path, start: Start) -> None:
    write_settings(tmp_path, free_port())
    aim = start("aim", "--port", "0", "--image")
    url = read_url(aim)
    _, cookie = ask(url, "/session", body=url.partition("#")[2])
    wait_for(lambda: ask(url, "/state", cookie=cookie)[0]["view"]["faces"], 30)
    assert ask(url, "/finish", body="done", cookie=cookie)[0] == {}
    assert aim.wait(30) == 0
    files = {file.name: file.stat().st_size for file in tmp_path.iterdir()}
    names = {"agent.toml", "aim.log", "outbox.db-aim", "outbox.db-camera", "outbox.db-motion"}
    assert files.keys() == names
    assert all(files[name] == 0 for name in names if name.startswith("outbox"))


def test_a_second_one_is_refused_in_one_line(tmp_path: Path, start: Start) -> None:
    write_settings(tmp_path, free_port())
    first = start("aim", "--port", "0")
    read_url(first)
    command = [sys.executable, "-m", "mien", "aim", "--config", "agent.toml", "--port", "0"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 7
    assert result.stderr == "mien: another `mien aim` shows this camera: close it, or wait until it closes by itself\n"
    assert result.stdout == ""
    first.send_signal(signal.SIGHUP)  # as when its ssh connection ends
    assert first.wait(30) == 0


def test_it_never_stays_open(tmp_path: Path, start: Start) -> None:
    write_settings(tmp_path, free_port())
    aim = start("aim", "--minutes", str(MAX_MINUTES + 1))
    assert aim.wait(30) == 2
