"""Names the modules whose branch coverage is low, and fails where one of them has no reason: `make coverage` runs it.

python branch_coverage.py COVERAGE_JSON
"""

import json
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent
MIN_PERCENT = 90.0
"""Of a module's lines and branches together, as coverage.py counts them."""
REASONS = FOLDER / "low_coverage.toml"


def read_reasons(file: Path = REASONS) -> dict[str, str]:
    """Why a module's coverage is low, by its path from the repository's root."""
    return {str(module): str(reason) for module, reason in tomllib.loads(file.read_text(encoding="utf-8")).items()}


def read_percents(report: Path) -> dict[str, float]:
    """Each module's coverage, of a report of `coverage json`."""
    files = json.loads(report.read_text(encoding="utf-8"))["files"]
    return {name: float(file["summary"]["percent_covered"]) for name, file in files.items()}


def find_problems(percents: Mapping[str, float], reasons: Mapping[str, str]) -> list[str]:
    """A line for each module that is low without a reason, or has a reason and is not low, or does not exist."""
    problems = [
        f"{module}: {percent:.1f} % is below {MIN_PERCENT:.0f} %: test it, or name the reason in {REASONS.name}"
        for module, percent in percents.items()
        if percent < MIN_PERCENT and module not in reasons
    ]
    problems += [
        f"{module}: {percents[module]:.1f} % needs no reason: remove it from {REASONS.name}"
        for module in reasons
        if percents.get(module, 0.0) >= MIN_PERCENT
    ]
    problems += [
        f"{module}: there is no such module: remove it from {REASONS.name}" for module in reasons.keys() - percents
    ]
    return sorted(problems)


def main(report: Path) -> int:
    """Print the low modules with their reasons, then the problems; 1 if there are any."""
    percents, reasons = read_percents(report), read_reasons()
    for module, reason in sorted(reasons.items()):
        print(f"{percents.get(module, 0.0):5.1f} % {module}: {reason}")
    problems = find_problems(percents, reasons)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
