"""What the benchmarks share: timing, the costs of a process, child processes, an MQTT broker, and printing."""

import argparse
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.table import Table

START_TIMEOUT_S = 60.0
CHILD_FOLDER = tempfile.gettempdir()
"""Children start here: from a checkout they would import its folder `mien` instead of the installed package."""
POLL_S = 0.05
PORTS = (20_000, 32_000)
"""Below the ports that Linux gives to outgoing connections: those could take a port before the child does."""
Metrics = dict[str, float | str]


def benchmark_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of a benchmark's options, with `--json`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def print_metrics(title: str, metrics: Mapping[str, float | str], *, as_json: bool) -> None:
    """Print one JSON object, or a table. Times vary from run to run; compare ratios within one run."""
    if as_json:
        print(json.dumps(dict(metrics)))
        return
    table = Table("metric", title=title, header_style="bold")
    table.add_column("value", justify="right")
    for name, value in metrics.items():
        table.add_row(name, value if isinstance(value, str) else f"{value:.4g}")
    Console().print(table)


def median_ms(call: Callable[[], object], *, repeats: int) -> float:
    """Median duration of a call in milliseconds, after one that does not count."""
    call()
    times_ms = []
    for _ in range(repeats):
        start_s = time.perf_counter()
        call()
        times_ms.append((time.perf_counter() - start_s) * 1000)
    return statistics.median(times_ms)


def cpu_time_s(pid: int) -> float:
    """CPU time of a process so far, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int | str = "self") -> int:
    """Resident memory of a process now."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) * 1024


class ChildFailed(SystemExit):
    """A child process failed or did not respond in time: ends the benchmark with this message and exit code 1."""


class ChildProcess:
    """A child process that runs while the block does. If it exits early, waiting fails with its last line of output."""

    def __init__(self, name: str, command: list[str]) -> None:
        self.name = name
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed in __exit__; a pipe could fill up)
        self._process = subprocess.Popen(
            command, cwd=CHILD_FOLDER, stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT
        )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()

    def lines(self) -> list[str]:
        """Its output so far, stdout and stderr together."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode(errors="replace").splitlines()

    def check(self) -> None:
        """ChildFailed if it has exited."""
        if (code := self._process.poll()) is not None:
            raise ChildFailed(f"{self.name} exited with code {code}: {last_line(self.lines())}")

    def wait_for_line(self, prefix: str, *, timeout_s: float = START_TIMEOUT_S) -> str:
        """Wait until it prints a line that begins with `prefix`, and return the rest of that line."""

        def find() -> list[str]:
            return [line.removeprefix(prefix) for line in self.lines() if line.startswith(prefix)]

        wait_until(find, [self], timeout_s=timeout_s, awaited=f"{prefix!r} from {self.name}")
        return find()[0]

    def sleep(self, duration_s: float) -> None:
        """Sleep while it runs; ChildFailed as soon as it exits."""
        end_s = time.monotonic() + duration_s
        wait_until(lambda: time.monotonic() >= end_s, [self], timeout_s=2 * duration_s + 1, awaited=self.name)


def wait_until(
    condition: Callable[[], object], children: Iterable[ChildProcess], *, timeout_s: float, awaited: str
) -> None:
    """Wait until a condition holds; ChildFailed as soon as one of the children exits, or after the timeout."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        for child in children:
            child.check()
        if time.monotonic() > deadline_s:
            outputs = "".join(f"; last line of {child.name}: {last_line(child.lines())}" for child in children)
            raise ChildFailed(f"timed out after {timeout_s:.0f} s waiting for {awaited}{outputs}")
        time.sleep(POLL_S)


def run_child(name: str, command: list[str]) -> str:
    """Run a command to its end and return its stdout; ChildFailed with the last line of its stderr if it fails."""
    process = subprocess.run(
        command, cwd=CHILD_FOLDER, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if process.returncode:
        raise ChildFailed(f"{name} exited with code {process.returncode}: {last_line(process.stderr.splitlines())}")
    return process.stdout


def last_line(lines: list[str]) -> str:
    """The last line that is not blank."""
    return next((line.strip() for line in reversed(lines) if line.strip()), "(no output)")


def free_port() -> int:
    """A TCP port of the loopback interface that is not in use."""
    while True:
        port = random.randrange(*PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port), reuse_port=False):
            return port


@contextmanager
def running_mosquitto(folder: Path, *lines: str) -> Iterator[int]:
    """An MQTT broker with these lines of configuration, or without limits, while the block runs; yields its port."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        sys.exit("mosquitto is not installed: make system")
    port = free_port()
    config = folder / f"{port}.conf"
    basics = [f"listener {port} 127.0.0.1", "allow_anonymous true"]
    config.write_text("\n".join([*basics, *(lines or ("max_queued_messages 0", "max_inflight_messages 0"))]) + "\n")

    def accepts_connections() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    with ChildProcess("mosquitto", [program, "-c", str(config)]) as broker:
        wait_until(accepts_connections, [broker], timeout_s=START_TIMEOUT_S, awaited="mosquitto to accept connections")
        yield port
