"""A log may have any name that its file system allows: with `%` and `?`, like a URI, and of bytes that are no text."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sample_logs import write_log

from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import migrate, open_for_reading, open_for_writing
from mien.broker.database.location import DatabaseLocation
from mien.broker.database.sqlite import back_up
from mien.broker.query import EmotionLog

NAMES = [b"mien%41?mode=x#.db", b"file:mien.db", b":memory:", b"K\xfcche.db", b"\xff/\xfe.db", b"\xc3\xbc \"'.db"]


@pytest.mark.parametrize("name", NAMES)
def test_a_log_of_any_name_is_written_read_copied_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    log, copy = Path(os.fsdecode(name)), Path(os.fsdecode(b"copy-" + name.replace(b"/", b"-")))
    write_log(log)
    assert log.is_file()
    with DatabaseLocation.parse(log).collector_lock(), open_for_writing(log).begin():
        pass
    back_up(log, copy)
    assert migrate(log)[1] is None
    for path in (log, copy):
        with EmotionLog(path) as emotion_log:
            assert emotion_log.observation_count() == 3
        assert not any(check_log(open_for_reading(path)).problems.values())
    folders = {tmp_path, log.absolute().parent}
    others = {os.fsencode(file.name) for folder in folders for file in folder.iterdir() if file not in folders}
    names = (os.fsencode(log.name), os.fsencode(copy.name))
    assert {other for other in others if not other.startswith(names)} == set()


def test_a_name_that_is_no_text_is_printed_as_an_escape(tmp_path: Path) -> None:
    name = b"K\xfcche.db"
    write_log(tmp_path / os.fsdecode(name))
    for file, exit_code in ((name, 0), (b"other-" + name, 8)):
        process = subprocess.run(
            [sys.executable, "-m", "mien", "db", "backup", "--db", file, b"copy-" + file],
            cwd=tmp_path,
            env=os.environ | {"PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (process.returncode, len((process.stdout + process.stderr).splitlines())) == (exit_code, 1)
        assert "K\\udcfcche.db" in process.stdout + process.stderr
