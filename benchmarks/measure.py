"""What the benchmarks share: medians of short times, a process's costs, a broker, and one way to print figures."""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table


def median_ms(call: Callable[[], object], *, repeats: int) -> float:
    """Median time of a call in milliseconds, after one that does not count."""
    call()
    times = []
    for _ in range(repeats):
        begun_s = time.perf_counter()
        call()
        times.append((time.perf_counter() - begun_s) * 1000)
    return statistics.median(times)


def processor_s(pid: int) -> float:
    """Processor time of a process so far, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_bytes(pid: int | str = "self", *, peak: bool = False) -> int:
    """What a process holds in memory now, or has held at most."""
    key = "VmHWM:" if peak else "VmRSS:"
    return int(Path(f"/proc/{pid}/status").read_text().split(key)[1].split()[0]) * 1024


@contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """A broker for one side, without limits; its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    config = folder / f"{port}.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
    )
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        sys.exit("mosquitto is not installed: make system")
    with subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        time.sleep(0.5)
        yield port
        process.kill()


def print_figures(title: str, figures: Mapping[str, float | str], *, as_json: bool) -> None:
    """One object of figures as JSON, or as a table. Times are noisy; compare ratios within one run."""
    if as_json:
        print(json.dumps(dict(figures)))
        return
    table = Table("figure", title=title, header_style="bold")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        table.add_row(name, value if isinstance(value, str) else f"{value:.4g}")
    Console().print(table)
