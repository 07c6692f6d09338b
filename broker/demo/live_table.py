"""Shows observations as they are stored: a live table on a terminal, otherwise one line each."""

from collections import deque
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from mien.broker.query import EmotionLog, ObservationRow
from mien.output import text_bar

MAX_ROWS = 12


class LiveTable:
    """The observations stored from now on; use as a context manager and call `update` regularly."""

    def __init__(self, log: EmotionLog, console: Console) -> None:
        self._tail = log.tail()
        self._shown_emotion = log.shown_emotion
        self._console = console
        self._live = Live(console=console, auto_refresh=False)
        self._newest: deque[ObservationRow] = deque(maxlen=MAX_ROWS)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def update(self) -> None:
        """Show what has been stored since the last update."""
        rows = self._tail.read()
        self._newest += rows
        if self._console.is_terminal:
            self._live.update(self._to_table(), refresh=True)
        else:
            for row in rows:
                self._console.print(*_to_cells(row, self._shown_emotion(row)), highlight=False)

    def _to_table(self) -> Table:
        table = Table("time", "face", "emotion", "confidence", title="stored observations", header_style="bold")
        for row in self._newest:
            table.add_row(*_to_cells(row, self._shown_emotion(row)))
        return table


def _to_cells(row: ObservationRow, emotion: str) -> tuple[str, str, str, str]:
    bar = text_bar(round(row.confidence * 20))
    return f"{row.at:%H:%M:%S}", str(row.track), f"{emotion:9}", f"{row.confidence:4.2f} {bar}"
