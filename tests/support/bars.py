"""A bar that writes down how far long work came."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Watched:
    """In a terminal's place."""

    def __init__(self) -> None:
        self.told: dict[str, tuple[int | None, int]] = {}
        """By label the total, and how many were done in the end."""

    @contextmanager
    def __call__(self, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(more: int) -> None:
            nonlocal done
            done += more

        yield advance
        self.told[label] = (total, done)
