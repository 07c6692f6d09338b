"""Broadcasts new observations to all open dashboards, reading the log once a second for all of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from mien.broker.query.tail import POLL_S, Tail
from mien.errors import MienError
from mien.output import to_plain_rows
from mien.version import VERSION

from .problems import problem_response

MAX_LISTENERS = 64
QUEUE_EVENTS = 8
"""Events queued for a slow client. More are dropped: a client reloads what it shows anyway."""
IDLE_S = 15.0
"""How often a silent stream gets a comment, by which proxies see that it is alive."""
COMMENT = b": \n\n"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""The second one tells nginx not to buffer it."""
Queue = asyncio.Queue[bytes | None]


class EventBroadcaster:
    """Polls the log while there are listeners, and encodes each event once for all of them."""

    def __init__(self, open_tail: Callable[[], Tail], on_change: Callable[[], None], poll_s: float = POLL_S) -> None:
        """`on_change` is called before each event, to invalidate cached responses."""
        self._open_tail = open_tail
        self._on_change = on_change
        self._poll_s = poll_s
        self._listeners: set[Queue] = set()
        self._poller: asyncio.Task[None] | None = None

    def add_listener(self) -> Queue | None:
        """A queue that gets events from now on, encoded, and None at the end; None if there are 64 listeners."""
        if len(self._listeners) >= MAX_LISTENERS:
            return None
        queue: Queue = asyncio.Queue(QUEUE_EVENTS)
        queue.put_nowait(encode_event("ready", VERSION))
        self._listeners.add(queue)
        if self._poller is None:
            self._poller = asyncio.create_task(self._poll())
        return queue

    def remove_listener(self, queue: Queue) -> None:
        """Its client has gone."""
        self._listeners.discard(queue)
        if not self._listeners and self._poller:
            self._poller.cancel()
            self._poller = None

    def close(self) -> None:
        """End all streams."""
        for queue in self._listeners:
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(None)

    async def _poll(self) -> None:
        tail: Tail | None = None
        while True:
            try:
                if tail is None:
                    tail = await asyncio.to_thread(self._open_tail)
                rows = await asyncio.to_thread(tail.read)
                if rows:
                    self._send("observations", list(to_plain_rows(row.to_dict() for row in rows)))
            except MienError as error:
                tail = None
                self._send("problem", str(error))
            await asyncio.sleep(self._poll_s)

    def _send(self, name: str, data: Any) -> None:
        self._on_change()
        event = encode_event(name, data)
        for queue in self._listeners:
            if not queue.full():
                queue.put_nowait(event)


class EventStream(Response):
    """Sends one listener its events, as long as `is_allowed`; 503 if there are too many listeners."""

    media_type = "text/event-stream"

    def __init__(self, broadcaster: EventBroadcaster, is_allowed: Callable[[], bool], idle_s: float = IDLE_S) -> None:
        super().__init__()
        self._broadcaster = broadcaster
        self._is_allowed = is_allowed
        self._idle_s = idle_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI connection."""
        queue = self._broadcaster.add_listener()
        if queue is None:
            hint = f"{MAX_LISTENERS} clients listen to events already: try again later, or poll /api/observations"
            await problem_response(HTTPStatus.SERVICE_UNAVAILABLE, hint)(scope, receive, send)
            return
        try:
            stream = StreamingResponse(self._read(queue), media_type=self.media_type, headers=HEADERS)
            await stream(scope, receive, send)
        finally:
            self._broadcaster.remove_listener(queue)

    async def _read(self, queue: Queue) -> AsyncIterator[bytes]:
        while True:
            try:
                event = await asyncio.wait_for(queue.get(), self._idle_s)
            except TimeoutError:
                event = COMMENT
            if event is None or not self._is_allowed():
                return
            yield event


def encode_event(name: str, data: Any) -> bytes:
    """A server-sent event (WHATWG HTML, section 9.2) with JSON data, which has no line breaks."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))
