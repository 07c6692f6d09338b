"""Shows observations as they are stored: a live table on a terminal, a line each elsewhere."""

from datetime import datetime
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from sqlalchemy import Engine

from .listing import list_observations
from .question import Question

SHOWN_ROWS = 12
NEWEST_ROWS = 200


class LiveLog:
    """The emotion log since `begin`; use as a context manager and call `update` now and then."""

    def __init__(self, engine: Engine, begin: datetime, console: Console) -> None:
        self._engine = engine
        self._question = Question(begin=begin)
        self._console = console
        self._live = Live(console=console, auto_refresh=False)
        self._shown: set[tuple[Any, ...]] = set()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def update(self) -> None:
        """Show what has been stored since the last call."""
        rows = list_observations(self._engine, self._question, limit=NEWEST_ROWS, zone=None)
        if self._console.is_terminal:
            self._live.update(_table(rows[-SHOWN_ROWS:]), refresh=True)
            return
        for row in rows:
            if tuple(row.values()) not in self._shown:
                self._console.print(*_cells(row), highlight=False)
        self._shown = {tuple(row.values()) for row in rows}


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table("time", "face", "emotion", "confidence", title="stored observations", header_style="bold")
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: dict[str, Any]) -> tuple[str, str, str, str]:
    bar = "█" * round(row["confidence"] * 20)
    return row["at"][11:19], str(row["track"]), f"{row['emotion']:8}", f"{row['confidence']:4.2f} {bar}"
