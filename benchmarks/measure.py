"""What the benchmarks share: medians of short times, and one way to print figures."""

import json
import statistics
import time
from collections.abc import Callable, Mapping

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
