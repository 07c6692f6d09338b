"""What long work tells how far it has come. `mien.broker.progress` shows it on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Bar = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]
"""From a label and a total to what is called with how many more are done, while the work goes on."""


@contextmanager
def unseen(_label: str, _total: int | None) -> Iterator[Callable[[int], None]]:
    """Nobody looks."""
    yield lambda _done: None
