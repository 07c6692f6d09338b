"""Shows observations as they are stored: a live table on a terminal, a line each elsewhere."""

from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from sqlalchemy import Engine

from .following import Follower
from .listing import Listed
from .question import Question

SHOWN_ROWS = 12


class LiveLog:
    """The emotion log from now on; use as a context manager and call `update` now and then."""

    def __init__(self, engine: Engine, console: Console) -> None:
        self._follower = Follower(engine, Question(), zone=None)
        self._console = console
        self._live = Live(console=console, auto_refresh=False)
        self._newest: deque[Listed] = deque(maxlen=SHOWN_ROWS)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def update(self) -> None:
        """Show what has been stored since the last call."""
        rows = self._follower.new()
        self._newest += rows
        if self._console.is_terminal:
            self._live.update(_table(self._newest), refresh=True)
        else:
            for row in rows:
                self._console.print(*_cells(row), highlight=False)


def _table(rows: Iterable[Listed]) -> Table:
    table = Table("time", "face", "emotion", "confidence", title="stored observations", header_style="bold")
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: Listed) -> tuple[str, str, str, str]:
    bar = "█" * round(row["confidence"] * 20)
    return f"{row['at']:%H:%M:%S}", str(row["track"]), f"{row['emotion']:8}", f"{row['confidence']:4.2f} {bar}"
