"""Runs everything on one machine: an embedded MQTT broker, the real collector and the real agent, shown live."""

import signal
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

from mien.broker.query import EmotionLog
from mien.broker.query.observations import NO_OBSERVATIONS, OBSERVATION_NOTE
from mien.errors import MienError, UsageError
from mien.files.text_file import is_utf8
from mien.output import print_table, symbol

from .child import Child
from .embedded_broker import EmbeddedBroker
from .live_table import LiveTable

PORTRAIT_S = 40.0
"""How long to run with the portrait, which never ends by itself."""
POLL_S = 0.2
START_TIMEOUT_S = 30.0


def run_demo(*, source: str | None, seconds: float | None, database: Path | None, console: Console) -> None:
    """Run until the source ends, `seconds` have passed or Ctrl-C is pressed; then print the counts by emotion.

    The log is kept if `database` names a file for it. ChildFailed if the agent or the collector fails, UsageError if
    the name of the source is not UTF-8.
    """
    if source is not None and not is_utf8(source):
        raise UsageError(f"{source} is not a name in UTF-8, which settings need: rename it, or use a link to it")
    seconds = seconds or (PORTRAIT_S if source is None else None)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    with tempfile.TemporaryDirectory(prefix="mien-demo-") as name, EmbeddedBroker() as broker:
        folder = Path(name)
        log_path = database.absolute() if database else folder / "mien.db"
        mqtt = {"host": broker.host, "port": broker.port, "protocol": "3.1.1"}
        start = datetime.now(UTC)
        parts = ("motion", "camera", "faces", "classifier", "outbox", "MQTT", "collector", "SQLite")
        console.print(f" {symbol('→', '->')} ".join(parts), style="bold")
        console.print(
            f"source: {source or 'a drifting portrait'}; emotion log: {log_path}\n", highlight=False, markup=False
        )
        collector_file = _write_toml(folder / "collector.toml", mqtt=mqtt)
        # as an option, because a name that is not UTF-8 does not fit into TOML
        collector_arguments = ["collect", "--config", collector_file, "--db", str(log_path)]
        with _running("collector", collector_arguments, folder) as collector:
            log = _wait_for_log(log_path, collector)
            agent_file = _write_toml(folder / "agent.toml", **_agent_settings(folder, source), mqtt=mqtt)
            with LiveTable(log, console) as table:
                arguments = ["agent", "--config", agent_file]
                with _running("agent", arguments, folder) as agent, suppress(KeyboardInterrupt):
                    _show(table, seconds, [collector, agent])
                table.update()  # the agent sends its last observations when it stops
        command = "\n$ mien query --by emotion" + (f" --db {database}" if database else "")
        console.print(command, style="bold", markup=False, highlight=False)
        counts = log.counts("emotion", start=start).to_dicts()
        print_table(counts, note=OBSERVATION_NOTE, empty=NO_OBSERVATIONS, console=console)
        log.close()
        if database is None:
            console.print("This log has been deleted; use --db FILE to keep one.", style="dim")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _running(program: str, arguments: list[str], folder: Path) -> Iterator[Child]:
    child = Child(program, arguments, folder)
    try:
        yield child
    finally:
        child.stop()


def _wait_for_log(path: Path, collector: Child) -> EmotionLog:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while True:
        collector.has_exited()
        try:
            return EmotionLog(path, timeout_s=None)
        except MienError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(POLL_S)


def _agent_settings(folder: Path, source: str | None) -> dict[str, Any]:
    motion: dict[str, Any] = {"kind": "always"}
    if source is None:
        camera: dict[str, Any] = {"kind": "demo"}
        # Eight seconds of motion, then ten without, for three of which the camera stays on.
        motion = {"kind": "simulated", "intervals_s": [[1.0, 9.0]], "period_s": 18.0, "hold_s": 3.0}
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


def _write_toml(file: Path, **settings: Any) -> str:
    """Write a settings file and return its path."""
    tables = {key: value for key, value in settings.items() if isinstance(value, dict)}
    lines = [f"{key} = {_to_toml(value)}" for key, value in settings.items() if key not in tables]
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {_to_toml(value)}" for key, value in table.items())]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


def _to_toml(value: Any) -> str:
    """Strings, numbers and lists of them look the same in JSON and TOML."""
    return msgspec.json.encode(value).decode()


def _show(table: LiveTable, seconds: float | None, children: list[Child]) -> None:
    """Update the table until time is up or a child has exited."""
    deadline_s = time.monotonic() + seconds if seconds else float("inf")
    # Check all children, since has_exited raises the error of a failed one.
    while time.monotonic() < deadline_s and not any([child.has_exited() for child in children]):  # noqa: C419
        table.update()
        time.sleep(POLL_S)
