"""The whole path on one machine: an embedded MQTT broker, the real collector and the real agent, shown live."""

import ctypes
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
from rich.console import Console
from sqlalchemy import Engine

from mien.errors import MienError

from .answer import print_table
from .counting import count_observations
from .database import open_for_reading
from .embedded import EmbeddedBroker
from .live import LiveLog
from .question import Question

PORTRAIT = Path(__file__).parent / "portrait.jpg"
PORTRAIT_SECONDS = 40.0
"""The portrait would go on for ever."""
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
POLL_S = 0.2
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0


class ChildFailed(MienError):
    """The agent or the collector of the demo ended by itself with an error, and with that exit code."""

    def __init__(self, program: str, exit_code: int, last_line: str) -> None:
        super().__init__(f"the demo's {program} ended: {last_line.removeprefix('mien: ')}")
        self.exit_code = exit_code


def _end_with_parent() -> None:
    """Have Linux end this process when the demo dies, so that no camera stays on (prctl(2), PR_SET_PDEATHSIG)."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """One of mien's own commands as a child process; what it says goes into a file."""

    def __init__(self, program: str, arguments: list[str], folder: Path) -> None:
        self.program = program
        self._log = folder / f"{program}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mien", *arguments],
                cwd=folder,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is the demo's: it stops the agent first
                preexec_fn=_end_with_parent,
            )

    def ended(self) -> bool:
        """Whether it has ended by itself. ChildFailed if with an error."""
        code = self._process.poll()
        if code:
            lines = self._log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
            raise ChildFailed(self.program, max(code, 1), lines[-1])
        return code is not None

    def stop(self) -> None:
        """End it as systemd would."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def run_demo(*, source: str | None, seconds: float | None, database: Path | None, console: Console) -> None:
    """Run until the clip ends, `seconds` have passed or Ctrl-C; then answer what `mien query` would.

    ChildFailed if the agent or the collector fails; the log in `database` is kept either way.
    """
    seconds = seconds or (PORTRAIT_SECONDS if source is None else None)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    with tempfile.TemporaryDirectory(prefix="mien-demo-") as name, EmbeddedBroker() as broker:
        folder = Path(name)
        path = database.absolute() if database else folder / "mien.db"
        mqtt = {"host": broker.host, "port": broker.port, "protocol": "3.1.1"}
        begin = datetime.now(UTC)
        console.print("motion → camera → faces → classifier → outbox → MQTT → collector → SQLite", style="bold")
        console.print(
            f"source: {source or 'a drifting portrait'}; emotion log: {path}\n", highlight=False, markup=False
        )
        collect = ["collect", "--config", _written(folder / "collector.toml", database=str(path), mqtt=mqtt)]
        with _running("collector", collect, folder) as collector:
            engine = _wait_for_log(path, collector)
            agent_file = _written(folder / "agent.toml", **_agent_settings(folder, source), mqtt=mqtt)
            with LiveLog(engine, console) as live:
                run = ["agent", "run", "--config", agent_file]
                with _running("agent", run, folder) as agent, suppress(KeyboardInterrupt):
                    _watch(live, seconds, [collector, agent])
                live.update()  # the agent sends what is left when it stops
        shown = "\n$ mien query --by emotion" + (f" --db {database}" if database else "")
        console.print(shown, style="bold", markup=False, highlight=False)
        print_table(count_observations(engine, Question(begin=begin), by=["emotion"], zone=None).rows, console)
        if database is None:
            console.print("This log is gone now; keep one with --db FILE.", style="dim")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _running(program: str, arguments: list[str], folder: Path) -> Iterator[Child]:
    child = Child(program, arguments, folder)
    try:
        yield child
    finally:
        child.stop()


def _wait_for_log(path: Path, collector: Child) -> Engine:
    ends_s = time.monotonic() + START_TIMEOUT_S
    while True:
        collector.ended()
        try:
            return open_for_reading(path)
        except MienError:
            if time.monotonic() > ends_s:
                raise
            time.sleep(POLL_S)


def _agent_settings(folder: Path, source: str | None) -> dict[str, Any]:
    motion: dict[str, Any] = {"kind": "always"}
    if source is None:
        camera: dict[str, Any] = {"kind": "portrait", "path": str(PORTRAIT)}
        # Eight seconds of movement, still for ten, of which the camera holds on for three.
        motion = {"script": [[1.0, 9.0]], "repeat_s": 18.0, "hold_s": 3.0}
    elif source.isdecimal():
        camera = {"kind": "usb", "index": int(source)}
    else:
        camera = {"kind": "file", "path": str(Path(source).absolute())}
    return {
        "device": "demo",
        "outbox": str(folder / "outbox.db"),
        "clock": "trusted",
        "motion": motion,
        "camera": camera,
    }


def _written(file: Path, **settings: Any) -> str:
    tables = {key: value for key, value in settings.items() if isinstance(value, dict)}
    lines = [f"{key} = {_toml(value)}" for key, value in settings.items() if key not in tables]
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


def _toml(value: Any) -> str:
    """Strings, numbers and lists of them are written alike in JSON and TOML."""
    return msgspec.json.encode(value).decode()


def _watch(live: LiveLog, seconds: float | None, children: list[Child]) -> None:
    """Show the log until time is up or a child ends."""
    ends_s = time.monotonic() + seconds if seconds else float("inf")
    while time.monotonic() < ends_s and not any([child.ended() for child in children]):  # noqa: C419 (ask them all)
        live.update()
        time.sleep(POLL_S)
