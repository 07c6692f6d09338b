"""The web server of `mien aim`: a few threads of the standard library's."""

import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from typing import Any

from .handler import AimHandler
from .viewing import Viewing

MAX_CONNECTIONS = 24
"""At once; a browser opens six."""


class AimServer(ThreadingHTTPServer):
    """Serves one viewing on a listening socket."""

    def __init__(self, listener: socket.socket, viewing: Viewing) -> None:
        super().__init__(listener.getsockname()[:2], partial(AimHandler, viewing), bind_and_activate=False)
        self.socket.close()
        tls = viewing.address.tls
        # the handshake waits for the client: it belongs into the connection's own thread
        self.socket = tls.wrap_socket(listener, server_side=True, do_handshake_on_connect=False) if tls else listener
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection, or close it if there are too many."""
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection until it is closed."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that has gone or does not speak TLS; anything else is a bug."""
        if not isinstance(sys.exc_info()[1], OSError | ssl.SSLError):
            super().handle_error(request, client_address)


@contextmanager
def serving(listener: socket.socket, viewing: Viewing) -> Iterator[int]:
    """Serve in a thread until the context ends; its value is the port."""
    port = int(listener.getsockname()[1])
    with AimServer(listener, viewing) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="web", daemon=True)
        thread.start()
        try:
            yield port
        finally:
            viewing.close()
            server.shutdown()
            thread.join()
