"""Benchmarks fail at once with the error of a broken child process, and print one JSON object with `--json`."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
BROKEN_CHILD = "import sys; print('starting'); sys.exit('no module named mien')"


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(BENCHMARKS)}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(
    "wait",
    [
        "child.wait_for_line('ready')",
        "child.sleep(60)",
        "measure.wait_until(lambda: False, [child], timeout_s=60, awaited='nothing')",
    ],
)
def test_every_wait_for_a_child_ends_with_the_child_s_own_error(wait: str) -> None:
    script = (
        "import sys; from parts import measure\n"
        f"with measure.ChildProcess('the child', [sys.executable, '-c', {BROKEN_CHILD!r}]) as child:\n"
        f"    {wait}\n"
    )
    start_s = time.monotonic()
    process = run_python("-c", script)
    assert time.monotonic() - start_s < 30
    assert process.returncode == 1
    assert process.stderr.strip() == "the child exited with code 1: no module named mien"


def test_a_command_that_fails_ends_the_benchmark_with_its_own_error() -> None:
    process = run_python(
        "-c",
        f"import sys; from parts import measure; measure.run_child('pip', [sys.executable, '-c', {BROKEN_CHILD!r}])",
    )
    assert process.returncode == 1
    assert process.stderr.strip() == "pip exited with code 1: no module named mien"


def test_json_is_one_object_on_the_last_line_of_stdout() -> None:
    process = run_python(str(BENCHMARKS / "start.py"), "--runs", "1", "--json")
    assert process.returncode == 0, process.stderr
    (line,) = process.stdout.splitlines()
    assert json.loads(line)["help_ratio"] > 0


@pytest.mark.parametrize("file", sorted(BENCHMARKS.rglob("*.py")), ids=lambda file: file.stem)
def test_processes_are_started_by_measure_alone(file: Path) -> None:
    starts_processes = "import subprocess" in file.read_text(encoding="utf-8")
    assert starts_processes == (file.stem == "measure")
