"""How long `mien --help` takes, as a multiple of importing Typer: python benchmarks/start.py [--json]."""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time

from measure import print_figures

RUNS = 15


def seconds(command: list[str], folder: str) -> float:
    begun_s = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    commands = {
        "mien_help_ms": [sys.executable, "-m", "mien", "--help"],
        "import_typer_ms": [sys.executable, "-c", "import typer"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(RUNS):
            for name, command in commands.items():
                times[name].append(seconds(command, folder))
    figures: dict[str, float | str] = {name: statistics.median(found) * 1000 for name, found in times.items()}
    pairs = zip(times["mien_help_ms"], times["import_typer_ms"], strict=True)
    figures["help_ratio"] = statistics.median(mine / typer for mine, typer in pairs)
    print_figures("start of the command", figures, as_json=options.json)


if __name__ == "__main__":
    main()
