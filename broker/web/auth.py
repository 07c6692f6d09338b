"""Authentication: clients must present the token; without a token, only this machine is served."""

import hmac
import logging
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs

from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.errors import ConfigurationError
from mien.files.text_file import read_text
from mien.mqtt.log_interval import LogInterval
from mien.mqtt.settings import LOOPBACK

from .client_address import client_address
from .login_pauses import LoginPauses
from .problems import problem_response
from .sessions import SESSION_S, Sessions

ACCESS_LOG = logging.getLogger("access")
COOKIE = "mien"
PUBLIC_PATHS = ("/login", "/assets/dashboard.css")
"""Served without a token."""
API = "/api/"
MIN_TOKEN_LENGTH = 16
MAX_LOGIN_BYTES = 4096
SECURITY_HEADERS = {
    b"content-security-policy": b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
}
"""Plotly adds its styles to the page, hence unsafe-inline for styles only."""
TLS_HEADERS = {b"strict-transport-security": b"max-age=31536000"}
"""Browsers heed it once they trust the certificate."""


def read_token(path: Path) -> str:
    """Read the token from its file. ConfigurationError if the file cannot be read or the token is easy to guess."""
    token = read_text(path, name=f"token_file {path}").strip()
    if len(token) < MIN_TOKEN_LENGTH or any(character.isspace() or not character.isascii() for character in token):
        hint = "create one with python3 -c 'import secrets; print(secrets.token_urlsafe())'"
        raise ConfigurationError(
            f"token_file {path} needs at least {MIN_TOKEN_LENGTH} characters without spaces, all ASCII: {hint}"
        )
    return token


class AuthMiddleware:
    """Checks every request's session or token, or its host name if there is no token, and logs who reads the log.

    Without a token only this machine's own names are served, so that no other web page can read the log through the
    user's browser (DNS rebinding). Nor may other sites' pages send requests to the API (Fetch Metadata).
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str | None,
        hosts: tuple[str, ...] = (),
        is_proxied: bool = False,
        sessions: Sessions,
        pauses: LoginPauses,
    ) -> None:
        """is_proxied: as for `client_address`."""
        self._app = app
        self._token = token
        self._hosts = (*LOOPBACK, *hosts)
        self._is_proxied = is_proxied
        self._sessions = sessions
        self._pauses = pauses
        self._accesses = LogInterval()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        address = client_address(request, is_proxied=self._is_proxied)
        headers = SECURITY_HEADERS | (TLS_HEADERS if request.url.scheme == "https" else {})

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers.items()]
                if message["status"] < HTTPStatus.BAD_REQUEST and scope["path"].startswith(API):
                    self._log_access(address, scope["path"])
            await send(message)

        self._pauses.log()
        try:
            response = await self._authenticate(request, address)
        except ClientDisconnect:
            return
        await (response or self._app)(scope, receive, send_with_headers)

    async def _authenticate(self, request: Request, address: str) -> Response | None:
        """None if the application may handle the request, otherwise the response to it."""
        path = request.url.path
        if request.headers.get("sec-fetch-site") == "cross-site" and (
            path.startswith(API) or request.method not in ("GET", "HEAD")
        ):
            return problem_response(HTTPStatus.FORBIDDEN, "another site sent this request: open the dashboard itself")
        if self._token is None:
            if (request.url.hostname or "") in self._hosts:
                return None
            return problem_response(HTTPStatus.BAD_REQUEST, "this host name is not served: use 127.0.0.1")
        if request.method == "POST" and path == "/login":
            return await self._login(request, address)
        if request.method == "POST" and path == "/logout":
            return self._log_out(request)
        if path in PUBLIC_PATHS or self._sessions.is_open(request.cookies.get(COOKIE, "")):
            return None
        if "authorization" in request.headers:
            return self._check_bearer(request.headers["authorization"], address)
        if path == "/":
            return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        return _unauthorized()

    def _check_bearer(self, authorization: str, address: str) -> Response | None:
        if pause_s := self._pauses.pause_s(address):
            self._pauses.count_guess(address)
            hint = f"too many wrong tokens: try again in {pause_s} s"
            return problem_response(HTTPStatus.TOO_MANY_REQUESTS, hint, retry_after_s=pause_s)
        return None if self._is_token(authorization.removeprefix("Bearer "), address) else _unauthorized()

    async def _login(self, request: Request, address: str) -> Response:
        if pause_s := self._pauses.pause_s(address):
            self._pauses.count_guess(address)
            return RedirectResponse(f"/login?wait={pause_s}", HTTPStatus.SEE_OTHER)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_LOGIN_BYTES:
                return problem_response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "this is too long to be the token")
        token = parse_qs(body.decode("ascii", "replace")).get("token", [""])[0].strip()
        if not self._is_token(token, address):
            return RedirectResponse("/login?wrong=1", HTTPStatus.SEE_OTHER)
        response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        response.set_cookie(
            COOKIE,
            self._sessions.open(),
            max_age=SESSION_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    def _log_out(self, request: Request) -> Response:
        self._sessions.end(request.cookies.get(COOKIE, ""))
        response = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=request.url.scheme == "https")
        return response

    def _is_token(self, text: str, address: str) -> bool:
        is_token = self._token is not None and hmac.compare_digest(text.encode(), self._token.encode())
        if is_token:
            self._pauses.add_right(address)
        else:
            self._pauses.add_wrong(address)
        return is_token

    def _log_access(self, address: str, path: str) -> None:
        """Log who reads what, once a minute: an open dashboard asks again and again. The query is left out."""
        if count := self._accesses.count((address, path)):
            ACCESS_LOG.info("%s read %s%s", address, path, f", {count} times since the last line" * (count > 1))


def _unauthorized() -> Response:
    hint = "log in at /login, or send the header Authorization: Bearer TOKEN"
    return problem_response(HTTPStatus.UNAUTHORIZED, hint)
