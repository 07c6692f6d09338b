"""`mien dashboard` as people start it, on a port of its own."""

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

START_S = 30


class Dashboard:
    """Of the log `mien.db` in a folder, with settings as its file has them; use as a context manager."""

    def __init__(self, folder: Path, **given: Any) -> None:
        settings = {"database": "mien.db", "port": 0} | given
        lines = (f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
        (folder / "dashboard.toml").write_text("".join(lines))
        self._folder = folder
        self.port = 0
        self.code: int | None = None

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
        self.code = self._process.wait(START_S)
        assert self._process.stderr is not None
        self._process.stderr.close()

    def fail(self) -> str:
        """What it says where it cannot start."""
        process = self._start()
        _, said = process.communicate(timeout=START_S)
        assert process.returncode == 3, said
        return said

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "mien", "dashboard", "--config", "dashboard.toml"],
            cwd=self._folder,
            stderr=subprocess.PIPE,
            text=True,
        )
