"""Answers the requests of the page of `mien aim`."""

import json
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import msgspec
from msgspec import Struct

from .address import host_of
from .viewing import Viewing
from .watcher import View

STATIC = Path(__file__).parent / "static"
FILES = {
    "/": ("aim.html", "text/html; charset=utf-8"),
    "/aim.css": ("aim.css", "text/css; charset=utf-8"),
    "/aim.js": ("aim.js", "text/javascript; charset=utf-8"),
}
"""They show nothing by themselves, so that everybody may have them."""
COOKIE = "mien-aim"
MAX_BODY_BYTES = 1024
REQUEST_S = 15.0
"""How long a client may take for a request, and be silent between two."""
WAIT_S = 5.0
"""How long a request waits for the next frame."""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
WRONG_HOST = "this host name is not served: open the address that `mien aim` has printed"
FOREIGN = "another page has sent this request: open the address that `mien aim` has printed"
TAKEN = "another browser has opened this address, and it works once: end `mien aim` and start it again"
WRONG_ADDRESS = "this is not the address of the `mien aim` that runs: open the newest one that it has printed"


class State(Struct, frozen=True, kw_only=True):
    """The response to the page's question for news."""

    view: View
    seconds_left: int
    shows_image: bool
    is_closed: bool


class AimHandler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = REQUEST_S

    def __init__(self, viewing: Viewing, *arguments: Any) -> None:
        self._viewing = viewing
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """The page, its news or its image."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Exchange the token, or end."""
        self._answer(self._post)

    def version_string(self) -> str:
        """Which Python this is is nobody's business."""
        return "mien"

    def log_message(self, *_: Any) -> None:
        """Nothing: a request every quarter of a second says nothing."""

    def _answer(self, respond: Callable[[SplitResult], None]) -> None:
        with self._viewing.answering():
            if host_of(self.headers.get("Host", "")) not in self._viewing.address.names:
                self._send_error(HTTPStatus.MISDIRECTED_REQUEST, WRONG_HOST)
            elif self._is_foreign():
                self._send_error(HTTPStatus.FORBIDDEN, FOREIGN)
            else:
                respond(urlsplit(self.path))

    def _is_foreign(self) -> bool:
        """Whether a page of another site, or of another port, has made the browser send this (Fetch Metadata)."""
        origin = self.headers.get("Origin")
        scheme = "https" if self._viewing.address.tls else "http"
        if origin is not None and origin != f"{scheme}://{self.headers.get('Host', '')}":
            return True
        is_page = self.command == "GET" and self.path == "/"
        return not is_page and self.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none")

    def _get(self, url: SplitResult) -> None:
        if url.path in FILES:
            name, content_type = FILES[url.path]
            self._send(HTTPStatus.OK, (STATIC / name).read_bytes(), content_type)
        elif not self._has_session():
            self._send_error(HTTPStatus.UNAUTHORIZED, self._refusal())
        elif url.path == "/state":
            self._send_state(url.query)
        elif url.path == "/image.jpg" and self._viewing.shows_image and (image := self._viewing.watcher.image()):
            self._send(HTTPStatus.OK, image, "image/jpeg")
        else:
            self._send_error(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _post(self, url: SplitResult) -> None:
        body = self._read_body()
        if body is None:
            self.close_connection = True
            self._send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "this is too long")
        elif url.path == "/session":
            self._open_session(body)
        elif not self._has_session():
            self._send_error(HTTPStatus.UNAUTHORIZED, self._refusal())
        elif url.path == "/finish":
            self._send(HTTPStatus.OK, b"{}", "application/json")
            self._viewing.on_finish()
        else:
            self._send_error(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _read_body(self) -> bytes | None:
        """None if it is too long, or its length is not given."""
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES or "Transfer-Encoding" in self.headers:
            return None
        return self.rfile.read(int(length))

    def _open_session(self, body: bytes) -> None:
        secret = self._viewing.session.open(body.decode("ascii", "replace"))
        if secret is None:
            self._send_error(HTTPStatus.FORBIDDEN, self._refusal())
            return
        secure = "; Secure" if self._viewing.address.tls else ""
        cookie = f"{COOKIE}={secret}; Path=/; HttpOnly; SameSite=Strict{secure}"
        self._send(HTTPStatus.OK, b"{}", "application/json", {"Set-Cookie": cookie})

    def _has_session(self) -> bool:
        with suppress(CookieError):
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
            return cookie is not None and self._viewing.session.is_open(cookie.value)
        return False

    def _refusal(self) -> str:
        return TAKEN if self._viewing.session.is_taken else WRONG_ADDRESS

    def _send_state(self, query: str) -> None:
        after = parse_qs(query).get("after", ["0"])[0]
        view = self._viewing.watcher.next_view(int(after) if after.isdecimal() else 0, WAIT_S)
        state = State(
            view=view,
            seconds_left=self._viewing.seconds_left,
            shows_image=self._viewing.shows_image,
            is_closed=self._viewing.is_closed,
        )
        self._send(HTTPStatus.OK, msgspec.json.encode(state), "application/json")

    def _send_error(self, status: HTTPStatus, message: str) -> None:
        self._send(status, json.dumps({"error": message}).encode(), "application/json")

    def _send(
        self, status: HTTPStatus, content: bytes, content_type: str, headers: dict[str, str] | None = None
    ) -> None:
        if status >= HTTPStatus.BAD_REQUEST and self.command == "POST":
            self.close_connection = True
        self.send_response(status)
        own = {"Content-Type": content_type, "Content-Length": str(len(content))}
        for name, value in {**HEADERS, **own, **(headers or {})}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)
