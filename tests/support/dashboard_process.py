"""`mien dashboard` as users start it, on a free port."""

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

START_TIMEOUT_S = 30


class DashboardProcess:
    """Serves the log `mien.db` of a folder, with the given settings in its file; use as a context manager."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        values = {"database": "mien.db", "port": 0} | settings
        lines = (f"{name} = {json.dumps(value)}\n" for name, value in values.items())
        (folder / "dashboard.toml").write_text("".join(lines))
        self._folder = folder
        self.port = 0
        self.code: int | None = None
        """The exit code, once it has ended."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._process = self._start()
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        assert line.startswith("dashboard: http"), line + self._process.stderr.read()
        self.port = int(line.rsplit(":", 1)[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        self.code = self._process.wait(START_TIMEOUT_S)
        assert self._process.stderr is not None
        self._process.stderr.close()

    def failure_message(self) -> str:
        """What it prints on stderr if it cannot start because of its configuration."""
        process = self._start()
        _, output = process.communicate(timeout=START_TIMEOUT_S)
        assert process.returncode == 3, output
        return output

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "mien", "dashboard", "--config", "dashboard.toml"],
            cwd=self._folder,
            stderr=subprocess.PIPE,
            text=True,
        )
