"""Broadcasts new observations to all open dashboards, reading the log once a second for all of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from mien.broker.query.tail import POLL_S, Tail
from mien.errors import MienError
from mien.output import to_plain_rows

QUEUE_EVENTS = 8
"""Events queued for a slow client. More are dropped: a client reloads what it shows anyway."""


@dataclass(slots=True)
class Event:
    """Newly stored observations, or a problem with the log."""

    observations: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""


class EventBroadcaster:
    """Polls the log while there are listeners."""

    def __init__(self, open_tail: Callable[[], Tail], on_change: Callable[[], None], poll_s: float = POLL_S) -> None:
        """`on_change` is called before each event, to invalidate cached responses."""
        self._open_tail = open_tail
        self._on_change = on_change
        self._poll_s = poll_s
        self._listeners: set[asyncio.Queue[Event]] = set()
        self._poller: asyncio.Task[None] | None = None

    async def listen(self) -> AsyncIterator[Event]:
        """Yield events from now on, forever."""
        queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE_EVENTS)
        self._listeners.add(queue)
        if self._poller is None:
            self._poller = asyncio.create_task(self._poll())
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)
            if not self._listeners and self._poller:
                self._poller.cancel()
                self._poller = None

    async def _poll(self) -> None:
        tail: Tail | None = None
        while True:
            try:
                if tail is None:
                    tail = await asyncio.to_thread(self._open_tail)
                rows = await asyncio.to_thread(tail.read)
                event = Event(observations=list(to_plain_rows(row.to_dict() for row in rows)))
            except MienError as error:
                tail, event = None, Event(problem=str(error))
            if event.observations or event.problem:
                self._on_change()
                for queue in self._listeners:
                    if not queue.full():
                        queue.put_nowait(event)
            await asyncio.sleep(self._poll_s)
