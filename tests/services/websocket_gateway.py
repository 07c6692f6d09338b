"""Websockets in front of an MQTT broker, as of a web proxy: Debian's mosquitto is built without them."""

import socket
import ssl
import threading
from contextlib import suppress
from typing import Self

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol


class WebsocketGateway:
    """Passes on what clients send to `/mqtt`, with what the broker sends back; use as a context manager."""

    def __init__(self, broker_port: int, *, path: str = "/mqtt", tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self._brokers: list[socket.socket] = []
        self._broker_port = broker_port
        self._path = path
        self._server = serve(
            self._serve,
            "127.0.0.1",
            0,
            ssl=tls,
            subprotocols=[Subprotocol("mqtt")],
            process_request=self._check_path,
        )
        self.port: int = self._server.socket.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()

    def break_all(self) -> None:
        """End all connections, as a gateway that restarts does."""
        for broker in self._brokers:
            with suppress(OSError):
                broker.shutdown(socket.SHUT_RDWR)

    def _check_path(self, connection: ServerConnection, request: Request) -> Response | None:
        return None if request.path == self._path else connection.respond(404, "nothing here\n")

    def _serve(self, client: ServerConnection) -> None:
        self.connections += 1
        with socket.create_connection(("127.0.0.1", self._broker_port)) as broker:
            self._brokers.append(broker)
            threading.Thread(target=self._send_back, args=(broker, client), daemon=True).start()
            with suppress(ConnectionClosed, OSError):
                for content in client:
                    assert isinstance(content, bytes)
                    broker.sendall(content)

    @staticmethod
    def _send_back(broker: socket.socket, client: ServerConnection) -> None:
        with suppress(ConnectionClosed, OSError):
            while content := broker.recv(65_536):
                client.send(content)
        client.close()
