"""A TCP proxy between clients and the MQTT broker that can cut the network."""

import contextlib
import selectors
import socket
import threading
import time
from typing import Self

RECEIVE_BYTES = 65536


class Proxy:
    """Forwards bytes between its own port and a target port until it is cut; use as a context manager."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._closed = False
        self.cut = False
        """While true, new connections are closed at once."""
        self.silent = False
        """While true, clients receive nothing from the target."""
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._listener.close()
        self.break_all()

    def break_all(self) -> None:
        """Close all connections, in the middle of whatever they transfer."""
        with self._lock:
            for pair in self._pairs:
                for connection in pair:
                    with contextlib.suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            if self.cut:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target_port), timeout=2)
            except OSError:
                return
            with server:
                server.settimeout(None)
                pair = (client, server)
                with self._lock:
                    self._pairs.add(pair)
                with contextlib.suppress(OSError):
                    self._forward(client, server)
                with self._lock:
                    self._pairs.discard(pair)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    if self.silent and key.fileobj is server:
                        time.sleep(0.01)
                        continue
                    data = key.fileobj.recv(RECEIVE_BYTES)  # type: ignore[union-attr]
                    if not data:
                        return
                    key.data.sendall(data)
