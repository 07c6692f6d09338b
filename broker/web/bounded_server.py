"""uvicorn's server, with a limited number of connections."""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import uvicorn

from mien.mqtt.log_interval import LogInterval

from .bounded_protocol import REQUEST_S, BoundedProtocol
from .connections import Connections

LOG = logging.getLogger(__name__)
OUT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
PAUSE_S = 1.0
"""How long no connections are accepted after that: the waiting ones would fail in the same way."""
TLS_CLOSE_S = 2.0
SEND_BUFFER_BYTES = 65_536
"""In the kernel, for each connection. With its own choice, megabytes, a slow client's progress could not be seen."""
UNACKNOWLEDGED_MS = 30_000
"""A client that has vanished is noticed this long after something was sent to it."""


class BoundedServer(uvicorn.Server):
    """Accepts connections itself: asyncio's servers accept all, and log a traceback for each that fails."""

    def __init__(self, config: uvicorn.Config, connections: Connections, on_stop: Callable[[], None]) -> None:
        """`on_stop` ends the responses that would never end by themselves."""
        super().__init__(config)
        self._slots = connections
        self._on_stop = on_stop
        self._out_of_files = LogInterval(interval_s=3600.0)
        self._tasks: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to accept connections."""
        await super().startup(sockets=[])
        for listener in sockets or []:
            listener.setblocking(False)
            self._start_task(self._accept(listener))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting connections, and wait for responses to end."""
        for task in self._tasks:
            task.cancel()
        self._on_stop()
        await super().shutdown(sockets)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError as error:  # of this connection, unless there are no files left
                if error.errno in OUT_OF_FILES:
                    if self._out_of_files.count(error.errno):
                        LOG.error("cannot accept connections (%s): raise LimitNOFILE= in the unit", error.strerror)
                    await asyncio.sleep(PAUSE_S)
                continue
            self._start_task(self._open(connection, str(address[0])))

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self, connection: socket.socket, address: str) -> None:
        """Prepare an accepted connection, or close it."""
        task = asyncio.current_task()
        slot = self._slots.admit(address, task.cancel if task else connection.close)
        if slot is None:
            connection.close()
            return
        is_open = False
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
            tls_limits = {"ssl_handshake_timeout": REQUEST_S, "ssl_shutdown_timeout": TLS_CLOSE_S}
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: BoundedProtocol(
                    config=self.config,
                    server_state=self.server_state,
                    app_state=self.lifespan.state,
                    slot=slot,
                    connections=self._slots,
                ),
                connection,
                ssl=self.config.ssl,
                **(tls_limits if self.config.ssl else {}),
            )
            is_open = True
        except OSError:  # the client has gone, or does not speak TLS
            pass
        finally:
            if not is_open:
                connection.close()
                self._slots.release(slot)
