"""New observations for all open pages, from one look at the log a second."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from mien.errors import MienError

from .answer import plain_rows
from .following import POLL_S, Follower

WAITING = 8
"""News that wait for a slow page; more are dropped, since it asks for what it shows anyway."""


@dataclass(slots=True)
class News:
    """What happened: observations that were stored, or trouble with the log."""

    observations: list[dict[str, Any]] = field(default_factory=list)
    trouble: str = ""


class Newsroom:
    """Looks at the log while anybody listens."""

    def __init__(self, follow: Callable[[], Follower], before: Callable[[], None], poll_s: float = POLL_S) -> None:
        """`before` is called before news are told: what was kept is old now."""
        self._follow = follow
        self._before = before
        self._poll_s = poll_s
        self._listeners: set[asyncio.Queue[News]] = set()
        self._looking: asyncio.Task[None] | None = None

    async def listen(self) -> AsyncIterator[News]:
        """News from now on, without an end."""
        mine: asyncio.Queue[News] = asyncio.Queue(WAITING)
        self._listeners.add(mine)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        try:
            while True:
                yield await mine.get()
        finally:
            self._listeners.discard(mine)
            if not self._listeners and self._looking:
                self._looking.cancel()
                self._looking = None

    async def _look(self) -> None:
        follower: Follower | None = None
        while True:
            try:
                if follower is None:
                    follower = await asyncio.to_thread(self._follow)
                rows = await asyncio.to_thread(follower.new)
                news = News(observations=list(plain_rows(rows)))
            except MienError as error:
                follower, news = None, News(trouble=str(error))
            if news.observations or news.trouble:
                self._before()
                for listener in self._listeners:
                    if not listener.full():
                        listener.put_nowait(news)
            await asyncio.sleep(self._poll_s)
