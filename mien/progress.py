"""Progress of long work: the reporter that the work calls, and a progress bar on stderr that displays it."""

from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn

Page = TypeVar("Page", bound=Sized)

ProgressReporter = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
"""Called with a label and a total, if known; yields a function to call with the number of newly completed items."""


@contextmanager
def no_progress(_label: str, _total: int | None) -> Iterator[Callable[[int], None]]:
    """A reporter that displays nothing."""
    yield lambda _count: None


@contextmanager
def progress_bar(label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A reporter that displays a progress bar on stderr while the block runs, if stderr is a terminal."""
    with create_progress() as bar:
        task = bar.add_task(label, total=total)
        yield lambda count: bar.advance(task, count)


def create_progress(*columns: "ProgressColumn", console: "Console | None" = None, transient: bool = True) -> "Progress":
    """A progress display on stderr, or `console`, to use as a context manager; it shows nothing without a terminal.

    columns: by default label, bar, count and remaining time. transient: remove it at the end.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = console or Console(stderr=True)
    default_columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(
        *(columns or default_columns),
        console=console,
        disable=not console.is_terminal,
        transient=transient,
        # prints above the bar; into a file or a pipe, Rich would redirect stdout to the terminal
        redirect_stdout=Console().is_terminal,
    )


def with_progress_bar(pages: Iterable[Page], label: str, total: int) -> Iterator[Page]:
    """Yield the pages unchanged while a progress bar counts their rows."""
    with progress_bar(label, total) as advance:
        for page in pages:
            yield page
            advance(len(page))
