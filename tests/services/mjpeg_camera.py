"""A camera in the network that sends MJPEG over HTTP, as an ESP32-CAM or an old IP camera does."""

import base64
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

FRAME_PAUSE_S = 0.01


@dataclass
class Stream:
    """What the camera sends for one path."""

    frames: Iterable[bytes]
    """Files, one after the other; then it closes the connection."""
    account: str = ""
    """`user:password` that it asks for (RFC 7617); empty without."""
    content_type: str = "multipart/x-mixed-replace; boundary=frame"
    hangs: bool = False
    """Whether it keeps the connection open after the last frame and sends nothing."""


@dataclass
class MjpegCamera:
    """A server on 127.0.0.1; use as a context manager."""

    streams: dict[str, Stream]
    """By path."""
    connections: list[str] = field(default_factory=list)
    """The path of each request so far."""

    def __enter__(self) -> Self:
        camera = self
        self._closing = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.connections.append(self.path)
                camera._respond(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_port}"

    def _respond(self, request: BaseHTTPRequestHandler) -> None:
        stream = self.streams.get(request.path)
        expected = stream and f"Basic {base64.b64encode(stream.account.encode()).decode()}"
        if stream is None:
            request.send_error(404)
            return
        if stream.account and request.headers["Authorization"] != expected:
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="camera"')
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(200)
        request.send_header("Content-Type", stream.content_type)
        request.end_headers()
        try:
            for frame in stream.frames:
                if "multipart" in stream.content_type:
                    length = f"Content-Length: {len(frame)}\r\n\r\n".encode()
                    frame = b"--frame\r\nContent-Type: image/jpeg\r\n" + length + frame + b"\r\n"
                request.wfile.write(frame)
                time.sleep(FRAME_PAUSE_S)
                if self._closing.is_set():
                    return
        except OSError:  # the client went away
            return
        if stream.hangs:
            self._closing.wait()
