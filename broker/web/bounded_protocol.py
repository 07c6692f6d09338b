"""HTTP/1.1 for clients that nobody knows: uvicorn's protocol, with time limits for requests and responses.

uvicorn itself limits only how long a connection may be idle between two requests.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .connections import Connections, Slot

REQUEST_S = 10.0
"""A request must be complete, with its body, this long after its connection was made or its first byte came."""
MIN_SENT_BYTES = 65_536
"""A client must accept that much of a response every 10 s: 52 kbit/s, less than EDGE."""
INCOMPLETE = (h11.IDLE, h11.SEND_BODY)


class BoundedProtocol(H11Protocol):
    """Ends connections whose request or response takes too long, and tells `connections` which of them wait."""

    def __init__(self, *arguments: Any, slot: Slot, connections: Connections, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._slot = slot
        self._slots = connections
        self._request_timer: asyncio.TimerHandle | None = None
        self._response_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The connection, with its TLS, is ready."""
        super().connection_made(transport)
        self._slot.drop = transport.abort
        self._start_request_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        for timer in (self._request_timer, self._response_timer):
            if timer:
                timer.cancel()
        self._slots.release(self._slot)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request."""
        if self._request_timer is None and self.conn.their_state in INCOMPLETE:
            self._start_request_timer()
        super().data_received(data)
        if self.conn.their_state not in INCOMPLETE and self._request_timer:
            self._request_timer.cancel()
            self._request_timer = None
            if not self.cycle or not self.cycle.response_complete:
                self._slots.serve(self._slot)

    def on_response_complete(self) -> None:
        """The last byte of a response has been handed to the transport."""
        self._slots.wait(self._slot)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The client takes less than it is sent."""
        super().pause_writing()
        self._watch_response(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """The client has taken what it was sent."""
        super().resume_writing()
        if self._response_timer:
            self._response_timer.cancel()

    def _start_request_timer(self) -> None:
        self._request_timer = self.loop.call_later(REQUEST_S, self.transport.abort)

    def _watch_response(self, waiting_bytes: int) -> None:
        def check() -> None:
            still_waiting_bytes = self.transport.get_write_buffer_size()
            if waiting_bytes - still_waiting_bytes < MIN_SENT_BYTES:
                self.transport.abort()
            else:
                self._watch_response(still_waiting_bytes)

        self._response_timer = self.loop.call_later(REQUEST_S, check)
