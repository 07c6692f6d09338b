"""Runs the blocks of one page one after the other, in a home folder of their own, as a reader would."""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import yaml
from code_blocks import Block
from samples import make_observation

from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.broker.query import EmotionLog
from mien.cli import main
from mien.emotions import EMOTIONS
from mien.messages.observation import Scores, encode_observation
from mien.settings.load import to_settings
from mien.settings.registry import settings_type_of

SHELL_OPERATORS = re.compile(r"[|>&$]")
ENDLESS = re.compile(r"mien query --follow|mien dashboard|\.tail\(|/api/events")
PROGRAMS = ("mien", "curl", "sqlite3", "datasette")
DASHBOARD_LINE = re.compile(r"^dashboard: \S+:(\d+)$", re.MULTILINE)
TIMEOUT_S = 60
SQL = ("sql", "mysql")
"""The second one's lexer knows Grafana's macros."""


def record_now(log: str | Path, *emotions: str, device: str = "hallway") -> None:
    """Store observations of this moment in a log, which is created if there is none."""
    engine, now, outbox = open_for_writing(log), datetime.now(UTC), uuid4()
    messages = []
    for seq, emotion in enumerate(emotions, start=1):
        scores = Scores(**(dict.fromkeys(EMOTIONS, 0.05) | {emotion: 0.7}))
        observation = make_observation(outbox, seq, at=now, device=device, emotion=emotion, scores=scores)
        payload, received_ms = encode_observation(observation), round(now.timestamp() * 1000)
        messages.append(decode_message(topic="t", payload=payload, received_ms=received_ms, device=device))
    Store(engine).record(messages)
    engine.dispose()


class Scenario:
    """A reader's home folder, which is the working folder, too; use as a context manager.

    log: the file that the page's queries read.
    replaced: what the page writes, and what stands for it here.
    added: what to add to the commands that begin with the key.
    """

    def __init__(
        self, home: Path, *, log: Path, replaced: Mapping[str, str] = {}, added: Mapping[str, str] = {}
    ) -> None:
        self.home = home
        self._log = log
        self._replaced = dict(replaced)
        self._added = added
        self._dashboard: subprocess.Popen[str] | None = None
        self._environment = os.environ | {
            "HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONIOENCODING": "utf-8",
        }

    def __enter__(self) -> "Scenario":
        return self

    def __exit__(self, *_: object) -> None:
        if self._dashboard is not None:
            self._dashboard.terminate()
            self._dashboard.wait(TIMEOUT_S)

    def run(self, block: Block) -> None:
        """Run it; AssertionError if it fails, prints nothing, or no way to run it is known."""
        text = block.text
        if block.language == "" and text.startswith("$ "):
            self._compare(text)
        elif block.language == "":
            for line in re.sub(r"\\\n\s*", "", text).splitlines():
                if line.strip() and line.split()[0] not in block.skipped_words:
                    self._run_line(self._replace(line.partition(" #")[0].strip()))
        elif block.language == "python":
            self._run_python(self._replace(text))
        elif block.language in SQL:
            with EmotionLog(self._log) as log:
                run_sql(log, text)
        elif block.language == "toml":
            self._load_settings(block)
        elif block.language == "json":
            json.loads(text)
        elif block.language == "yaml":
            yaml.safe_load(text)
        else:
            raise AssertionError(f"{block}: nobody knows how to run {block.language}: mark it")

    def _replace(self, text: str) -> str:
        for documented, actual in self._replaced.items():
            text = text.replace(documented, actual)
        return text

    def _run_line(self, line: str) -> None:
        words = shlex.split(line)
        assert words[0] in PROGRAMS, f"{words[0]}: mark this line as not run"
        for command, more in self._added.items():
            if line.startswith(command):
                line = f"{line} {more}"
        self._create_log_of(shlex.split(line))
        if ENDLESS.search(line):
            self._run_endless(["bash", "-c", f"exec {line}"], is_dashboard=words[1] == "dashboard")
        elif words[0] == "mien" and not SHELL_OPERATORS.search(line):
            arguments = [word.replace("~", str(self.home), 1) if word[0] == "~" else word for word in shlex.split(line)]
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                assert main(arguments[1:]) == 0, line
            assert output.getvalue().strip() or "train" in line, f"{line} printed nothing"
        else:
            process = self._start(["bash", "-euo", "pipefail", "-c", line])
            output_text, _ = process.communicate(timeout=TIMEOUT_S)
            assert process.returncode == 0, line
            assert output_text.strip() or ">" in line, f"{line} printed nothing"

    def _create_log_of(self, words: list[str]) -> None:
        """The log that a line names and a collector would have written."""
        if "--db" in words and "import" not in words:
            path = Path(words[words.index("--db") + 1].replace("~", str(self.home), 1))
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                record_now(path, "happy")

    def _run_python(self, text: str) -> None:
        if ENDLESS.search(text):
            self._run_endless([sys.executable, "-u", "-c", text])
            return
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(text, "document", "exec"), {"__name__": "__main__"})  # noqa: S102
        assert output.getvalue().strip(), "it printed nothing"

    def _run_endless(self, command: list[str], *, is_dashboard: bool = False) -> None:
        """Until it has printed what is stored meanwhile; a dashboard until the page ends."""
        process = self._start(command, stderr=subprocess.STDOUT if is_dashboard else None)
        assert process.stdout is not None
        if is_dashboard:
            self._dashboard = process
            line = next((line for line in process.stdout if DASHBOARD_LINE.search(line)), "")
            match = DASHBOARD_LINE.search(line)
            assert match, "the dashboard does not start"
            self._replaced["127.0.0.1:8501"] = f"127.0.0.1:{match[1]}"
            return
        is_found = threading.Event()

        def read() -> None:
            if any("surprise" in line or "hallway" in line for line in process.stdout or ()):
                is_found.set()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        for _ in range(TIMEOUT_S):
            record_now(self._log, "surprise")
            if is_found.wait(1) or process.poll() is not None:
                break
        process.terminate()
        process.wait(TIMEOUT_S)
        reader.join(TIMEOUT_S)
        process.stdout.close()
        assert is_found.is_set(), f"{command[-1]} does not print what is stored"

    def _start(self, command: list[str], stderr: int | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, cwd=self.home, env=self._environment, stdout=subprocess.PIPE, stderr=stderr, text=True
        )

    def _compare(self, text: str) -> None:
        """Commands after `$`, each with its output, on the log of `visits.py` alone."""
        examples = re.findall(r"^\$ mien (.*)\n((?:(?!\$).*\n)+)", text, re.MULTILINE)
        assert examples
        for command, output in examples:
            process = subprocess.run(
                [Path(sys.executable).parent / "mien", *shlex.split(command)],
                cwd=self.home / "visits",
                env=self._environment | {"COLUMNS": "100", "TZ": "UTC"},
                capture_output=True,
                text=True,
                encoding="utf-8",
                check=True,
            )
            lines = "".join(f"{line.rstrip()}\n" for line in (process.stdout + process.stderr).splitlines())
            assert lines == output, "paste the real output into the document"

    def _load_settings(self, block: Block) -> None:
        """Load it with the program's own settings, and keep it in the file that the block or its heading names."""
        match = re.search(r"(agent|collector|dashboard)\.toml", f"{block.text.splitlines()[0]} {block.heading}")
        program = match[1] if match else "agent"
        values = tomllib.loads(block.text)
        if program == "agent":
            values = {"device": "hallway"} | values
        to_settings(values, settings_type_of(program), source=str(block))
        (self.home / f"{program}.toml").write_text(block.text, encoding="utf-8")


def run_sql(log: EmotionLog, text: str) -> None:
    """Run each statement, with Grafana's macros replaced by the last week; each has to return rows."""
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    for name, value in {"$__from": now_ms - 7 * 86_400_000, "$__to": now_ms}.items():
        text = text.replace(name, str(value))
    for statement in statements(text):
        assert len(log.sql(statement)), f"no row: {statement}"


def statements(text: str) -> Iterator[str]:
    """Those of a block, which end with semicolons."""
    yield from (statement for statement in text.split(";") if statement.strip())
