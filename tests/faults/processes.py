"""Processes that are killed and started again."""

import os
import resource
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(slots=True)
class KillableProcess:
    """A process that is killed and started again."""

    command: list[str]
    log: Path
    outbox: Path | None = None
    device: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            folders = os.pathsep.join(str(FOLDER.parent / name) for name in ("support", "services"))
            environment = os.environ | {"PYTHONPATH": folders}
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.log.parent, env=environment)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def limit_file_size(self, size_bytes: int) -> None:
        """Prevent the process from growing any file beyond a size; RLIM_INFINITY removes the limit."""
        if self.process is not None and self.process.poll() is None:
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))


def terminate(processes: Iterable[KillableProcess]) -> None:
    """Terminate processes as a user would, and wait for all of them."""
    running = [process.process for process in processes if process.process is not None]
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
