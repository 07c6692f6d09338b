"""One device floods a real mosquitto: the others' rows are acknowledged, and the flooder is named.

How long they wait depends on the machine; `python benchmarks/fairness.py` measures it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.service
BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
SECONDS = 6


def measure(flood: str, log: str) -> dict[str, float]:
    """The benchmark's figures, without the suffix of the flood."""
    command = [sys.executable, str(BENCHMARKS / "fairness.py"), "--only", flood, "--seconds", str(SECONDS), "--json"]
    if "://" in log:
        command += ["--postgresql", log]
    environment = os.environ | {"PYTHONPATH": str(BENCHMARKS)}
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=150, check=False)
    assert process.returncode == 0, process.stderr
    figures: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    return {name.removesuffix(f"_{flood}"): value for name, value in figures.items()}


def test_beside_4000_rows_a_second_others_do_not_wait(log: str) -> None:
    figures = measure("4000", log)
    assert figures["others"] >= 15 * SECONDS
    assert figures["others_p50_s"] <= 15  # before anything is sent again


def test_a_flood_without_limit_costs_no_other_device_a_row(log: str) -> None:
    figures = measure("max", log)
    assert figures["others"] >= 15 * SECONDS
    assert figures["others_lost"] == 0
    assert figures["flooder_named"] == 1
