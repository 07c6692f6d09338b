"""The lock and the backup of a SQLite file."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from progress_recorder import ProgressRecorder
from samples import make_observation

from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_reading, open_for_writing
from mien.broker.database.location import DatabaseLocation
from mien.broker.database.sqlite import back_up
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.cli import main
from mien.errors import DatabaseError
from mien.messages.observation import encode_observation

WRITER = """
import sqlite3, sys
log = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
while True:
    log.execute("UPDATE device SET name = name")
    print(flush=True)
"""


def test_a_file_has_one_collector_at_a_time(tmp_path: Path) -> None:
    location = DatabaseLocation.parse(tmp_path / "mien.db")
    with (
        location.collector_lock(),
        pytest.raises(DatabaseError, match=r"another collector writes to .*mien.db"),
        location.collector_lock(),
    ):
        pass
    with location.collector_lock():  # released again
        pass


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    location = DatabaseLocation.parse(tmp_path / "file" / "mien.db")
    with pytest.raises(DatabaseError, match=r"mien.db cannot be opened"), location.collector_lock():
        pass


def test_a_backup_completes_while_another_process_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a snapshot each commit would restart the copy."""
    log = tmp_path / "mien.db"
    engine = open_for_writing(log)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO device (key, name) VALUES (1, 'hallway')")
        connection.exec_driver_sql("CREATE TABLE filler AS SELECT randomblob(20000000) AS noise")
    with subprocess.Popen([sys.executable, "-c", WRITER, log], stdout=subprocess.PIPE) as writer:
        output = writer.stdout
        assert output is not None
        output.readline()
        progress = ProgressRecorder()
        monkeypatch.setattr("mien.broker.database.sqlite.BACKUP_PAGES", 1)
        threading.Thread(target=lambda: [*output], daemon=True).start()
        back_up(log, tmp_path / "copy.db", progress)
        writer.kill()
    engine.dispose()
    assert {completed == total for total, completed in progress.reports.values()} == {True}
    assert check_log(open_for_reading(tmp_path / "copy.db")).problems["file"] == ""


def test_an_interrupted_backup_leaves_no_file(tmp_path: Path) -> None:
    @contextmanager
    def interrupt(_label: str, _total: int | None) -> Iterator[Callable[[int], None]]:
        def advance(_count: int) -> None:
            raise KeyboardInterrupt

        yield advance

    open_for_writing(tmp_path / "mien.db").dispose()
    with pytest.raises(KeyboardInterrupt):
        back_up(tmp_path / "mien.db", tmp_path / "copy.db", interrupt)
    assert list(tmp_path.glob("*copy.db*")) == []


def test_the_command_backs_up_a_log_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, copy = str(tmp_path / "mien.db"), tmp_path / "copy.db"
    engine = open_for_writing(log)
    payload = encode_observation(make_observation(seq=1))
    topic = "mien/hallway/observation"
    message = decode_message(topic=topic, payload=payload, received_ms=1_800_000_000_000, device="hallway")
    Store(engine).record([message])
    assert main(["db", "backup", str(copy), "--db", log]) == 0
    engine.dispose()
    assert check_log(open_for_reading(copy)).problems["rollup"] == ""
    assert main(["query", "--db", str(copy), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out.split("\n", 1)[1])) == 1
    assert main(["db", "backup", str(copy), "--db", log]) == 8
    assert "copy.db ([Errno 17] File exists" in capsys.readouterr().err
    assert main(["db", "backup", str(copy), "--db", str(tmp_path / "none.db")]) == 8
    assert main(["db", "backup", str(copy), "--db", "postgresql://127.0.0.1/mien"]) == 2
