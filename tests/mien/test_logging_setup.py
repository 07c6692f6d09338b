"""Log lines begin with their level for systemd's journal, but not on a terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import logging
from mien.logging_setup import log_to_stderr
log_to_stderr()
logging.getLogger("mien.edge").warning("the camera is gone")
try:
    raise KeyError("frame")
except KeyError:
    logging.getLogger("mien.edge").exception("a loop failed")
"""


@pytest.mark.parametrize("journal", [True, False])
def test_each_line_begins_with_its_level_if_stderr_is_the_journal(tmp_path: Path, journal: bool) -> None:
    with (tmp_path / "stderr").open("w") as stderr:
        stream = os.fstat(stderr.fileno())
        environment = os.environ | {"JOURNAL_STREAM": f"{stream.st_dev}:{stream.st_ino}" if journal else "1:1"}
        subprocess.run([sys.executable, "-c", SCRIPT], stderr=stderr, env=environment, check=True, cwd=tmp_path)
    lines = (tmp_path / "stderr").read_text().splitlines()
    if journal:
        assert lines[0] == "<4>mien.edge: the camera is gone"
        assert len(lines) > 4  # the traceback
        assert all(line.startswith("<3>") for line in lines[1:])
    else:
        assert lines[0] == "WARNING mien.edge: the camera is gone"
        assert not any(line.startswith("<") for line in lines)
