"""How long `mien --help` takes, relative to importing Typer: python benchmarks/start.py [--runs N] [--json]."""

import statistics
import sys
import time

from parts.measure import Metrics, benchmark_parser, print_metrics, run_child


def measure_s(name: str, command: list[str]) -> float:
    """Duration of a command in seconds."""
    start_s = time.perf_counter()
    run_child(name, command)
    return time.perf_counter() - start_s


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--runs", type=int, default=15, help="runs of each command")
    options = parser.parse_args()
    help_command = [sys.executable, "-m", "mien", "--help"]
    import_command = [sys.executable, "-c", "import typer"]
    help_s, import_s = [], []
    for _ in range(options.runs):
        help_s.append(measure_s("`mien --help`", help_command))
        import_s.append(measure_s("`import typer`", import_command))
    metrics: Metrics = {
        "mien_help_ms": statistics.median(help_s) * 1000,
        "import_typer_ms": statistics.median(import_s) * 1000,
        "help_ratio": statistics.median(mien / typer for mien, typer in zip(help_s, import_s, strict=True)),
    }
    print_metrics("startup of the command line", metrics, as_json=options.json)


if __name__ == "__main__":
    main()
