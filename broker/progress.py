"""How far long work has come, on a terminal's stderr."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Row = TypeVar("Row")


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar while the block runs; call what it gives with how many more are done. Only on a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.advance(task, done)


def counted(pages: Iterable[list[Row]], label: str, total: int) -> Iterator[list[Row]]:
    """The pages as they come, with a bar for their rows."""
    with progress(label, total) as advance:
        for page in pages:
            yield page
            advance(len(page))
