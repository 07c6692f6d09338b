"""`mien dashboard` as users start it, on a free port."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from polling import wait_for

START_TIMEOUT_S = 30


class DashboardProcess:
    """Serves the log `mien.db` of a folder, with the given settings in its file; use as a context manager."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        values = {"database": "mien.db", "port": 0} | settings
        lines = (f"{name} = {json.dumps(value)}\n" for name, value in values.items())
        (folder / "dashboard.toml").write_text("".join(lines))
        self._folder = folder
        self._log_path = folder / "dashboard.log"
        self.port = 0
        self.code: int | None = None
        """The exit code, once it has ended."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has printed on stderr."""
        return self._log_path.read_text()

    def __enter__(self) -> Self:
        with self._log_path.open("w") as log:
            self._process = self._start(log)
        wait_for(lambda: "dashboard: http" in self.log or self._process.poll() is not None, START_TIMEOUT_S)
        match = re.search(r"^dashboard: \S+:(\d+)$", self.log, re.MULTILINE)
        assert match, self.log
        self.port = int(match[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        self.code = self._process.wait(START_TIMEOUT_S)

    def failure_message(self) -> str:
        """What it prints on stderr if it cannot start because of its configuration."""
        process = self._start(subprocess.PIPE)
        _, output = process.communicate(timeout=START_TIMEOUT_S)
        assert process.returncode == 3, output
        return output

    def _start(self, stderr: IO[str] | int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "mien", "dashboard", "--config", "dashboard.toml"],
            cwd=self._folder,
            stderr=stderr,
            text=True,
        )
