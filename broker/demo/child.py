"""A mien command that runs as a child process of the demo."""

import ctypes
import signal
import subprocess
import sys
from pathlib import Path

from mien.errors import MienError

PR_SET_PDEATHSIG = 1
STOP_TIMEOUT_S = 10.0

_LIBC = ctypes.CDLL(None)


class ChildFailed(MienError):
    """The demo's agent or collector exited with an error; the demo exits with the same code."""

    def __init__(self, program: str, exit_code: int, last_line: str) -> None:
        super().__init__(f"the demo's {program} failed: {last_line.removeprefix('mien: ')}")
        self.exit_code = exit_code


def _stop_with_parent() -> None:
    """Have Linux stop this process when the demo dies, so that no camera stays on (prctl(2), PR_SET_PDEATHSIG)."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """A mien command as a child process; its output goes into a file."""

    def __init__(self, program: str, arguments: list[str], folder: Path) -> None:
        self.program = program
        self._log = folder / f"{program}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mien", *arguments],
                cwd=folder,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches only the demo, which stops the agent first
                preexec_fn=_stop_with_parent,
            )

    def has_exited(self) -> bool:
        """Whether it has exited by itself. ChildFailed if it exited with an error."""
        exit_code = self._process.poll()
        if exit_code:
            lines = self._log.read_text(errors="replace").strip().splitlines() or ["it printed nothing"]
            raise ChildFailed(self.program, max(exit_code, 1), lines[-1])
        return exit_code is not None

    def stop(self) -> None:
        """Stop it as systemd would."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
