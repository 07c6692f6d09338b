"""The lock that a running agent holds."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mien.edge.agent_lock import agent_lock, is_agent_running
from mien.errors import DatabaseError

HOLDER = """
import sys, time
from pathlib import Path
from mien.edge.agent_lock import agent_lock
with agent_lock(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(600)
"""


def test_an_agent_is_seen_while_it_runs(tmp_path: Path) -> None:
    outbox = tmp_path / "new" / "outbox.db"
    assert not is_agent_running(outbox)
    with agent_lock(outbox):
        assert is_agent_running(outbox)
    assert not is_agent_running(outbox)


def test_an_agent_that_was_killed_does_not_count_as_running(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox.db"
    command = [sys.executable, "-c", HOLDER, str(outbox)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        assert is_agent_running(outbox)
        process.kill()
    assert not is_agent_running(outbox)


def test_a_second_agent_on_one_outbox_is_refused(tmp_path: Path) -> None:
    with (
        agent_lock(tmp_path / "outbox.db"),
        pytest.raises(DatabaseError, match=r"another agent uses the outbox .*: stop it"),
        agent_lock(tmp_path / "outbox.db", wait_s=0.0),
    ):
        pass


def test_an_agent_starts_while_the_doctor_looks(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox.db"
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            is_agent_running(outbox)

    thread = threading.Thread(target=look)
    with agent_lock(outbox):
        thread.start()
    try:
        for _ in range(50):
            with agent_lock(outbox, wait_s=15.0):
                pass
    finally:
        done.set()
        thread.join()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match="cannot be locked"), agent_lock(tmp_path / "file" / "outbox.db"):
        pass
    assert not is_agent_running(tmp_path / "file" / "outbox.db")
