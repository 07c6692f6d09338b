"""A progress reporter that records how far the work came."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class ProgressRecorder:
    """Takes the place of a progress bar."""

    def __init__(self) -> None:
        self.reports: dict[str, tuple[int | None, int]] = {}
        """By label: the total, and the number of items completed in the end."""

    @contextmanager
    def __call__(self, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
        completed = 0

        def advance(count: int) -> None:
            nonlocal completed
            completed += count

        yield advance
        self.reports[label] = (total, completed)
