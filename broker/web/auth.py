"""Authentication: clients must present the token; without a token, only this machine is served."""

import hashlib
import hmac
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs

from fastapi import Request, Response
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.errors import ConfigurationError
from mien.mqtt.settings import LOOPBACK

from .problems import problem_response

COOKIE = "mien"
COOKIE_MAX_AGE_S = 30 * 86_400
PUBLIC_PATHS = ("/login", "/assets/dashboard.css")
"""Served without a token."""
MIN_TOKEN_LENGTH = 16
MAX_LOGIN_BYTES = 4096
SECURITY_HEADERS = {
    b"content-security-policy": b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}
"""Plotly adds its styles to the page, hence unsafe-inline for styles only."""


def read_token(path: Path) -> str:
    """Read the token from its file. ConfigurationError if the file cannot be read or the token is easy to guess."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"token_file: {path} cannot be read: {error}") from error
    if len(token) < MIN_TOKEN_LENGTH or any(character.isspace() for character in token):
        hint = "create one with python3 -c 'import secrets; print(secrets.token_urlsafe())'"
        raise ConfigurationError(
            f"token_file: {path} needs at least {MIN_TOKEN_LENGTH} characters without spaces: {hint}"
        )
    return token


class AuthMiddleware:
    """Checks every request's token, or its host name if there is no token.

    Without a token only this machine's own names are served, so that no other web page can read the log through the
    user's browser (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, *, token: str | None, hosts: tuple[str, ...] = ()) -> None:
        self._app = app
        self._token = token
        self._hosts = (*LOOPBACK, *hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *SECURITY_HEADERS.items()]
            await send(message)

        request = Request(scope, receive)
        response = await self._authenticate(request)
        await (response or self._app)(scope, receive, send_with_headers)

    async def _authenticate(self, request: Request) -> Response | None:
        """None if the application may handle the request, otherwise the response to it."""
        if self._token is None:
            if (request.url.hostname or "") in self._hosts:
                return None
            return problem_response(HTTPStatus.BAD_REQUEST, "this host name is not served: use 127.0.0.1")
        if request.url.path == "/login" and request.method == "POST":
            return await self._login(request)
        if request.url.path in PUBLIC_PATHS or self._has_token(request):
            return None
        if request.url.path == "/":
            return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        hint = "log in at /login, or send the header Authorization: Bearer TOKEN"
        return problem_response(HTTPStatus.UNAUTHORIZED, hint)

    def _has_token(self, request: Request) -> bool:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        return self._is_token(bearer) or _is_equal(request.cookies.get(COOKIE, ""), self._cookie_value())

    async def _login(self, request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_LOGIN_BYTES:
                return problem_response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "this is too long to be the token")
        token = parse_qs(body.decode("ascii", "replace")).get("token", [""])[0].strip()
        if not self._is_token(token):
            return RedirectResponse("/login?wrong=1", HTTPStatus.SEE_OTHER)
        response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        response.set_cookie(
            COOKIE,
            self._cookie_value(),
            max_age=COOKIE_MAX_AGE_S,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    def _is_token(self, text: str) -> bool:
        return self._token is not None and _is_equal(text, self._token)

    def _cookie_value(self) -> str:
        """Derived from the token: browsers do not store the token itself, and changing it invalidates all cookies."""
        return hmac.new((self._token or "").encode(), b"cookie", hashlib.sha256).hexdigest()


def _is_equal(text: str, secret: str) -> bool:
    return hmac.compare_digest(text.encode(), secret.encode())
