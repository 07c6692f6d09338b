"""Who may ask: this machine, or whoever has the token."""

import hashlib
import hmac
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs

from fastapi import Request, Response
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.errors import ConfigurationError
from mien.mqtt import LOOPBACK

from .problems import problem

COOKIE = "mien"
OPEN = ("/login", "/assets/page.css")
"""What is shown to whoever has no token."""
LEAST_TOKEN = 16
COOKIE_AGE_S = 30 * 86_400
LONGEST_LOGIN = 4096
HEADERS = {
    b"content-security-policy": b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}
"""Plotly writes its styles into the page, hence unsafe-inline for these alone."""


def read_token(path: Path) -> str:
    """The token in a file. ConfigurationError if there is none, or one that can be guessed."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"token_file: {path} cannot be read: {error}") from error
    if len(token) < LEAST_TOKEN or any(letter.isspace() for letter in token):
        cure = "python3 -c 'import secrets; print(secrets.token_urlsafe())' makes one"
        raise ConfigurationError(f"token_file: {path} needs {LEAST_TOKEN} characters at least, without spaces: {cure}")
    return token


class Access:
    """Stands before the application: checks the name it is asked under, and the token where there is one.

    Without a token only names of this machine are answered, so that no page from elsewhere reads the log through
    somebody's browser (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, *, token: str | None, hosts: tuple[str, ...] = ()) -> None:
        self._app = app
        self._token = token
        self._hosts = (*LOOPBACK, *hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS.items()]
            await send(message)

        request = Request(scope, receive)
        refusal = await self._refusal(request)
        await (refusal or self._app)(scope, receive, send_guarded)

    async def _refusal(self, request: Request) -> Response | None:
        if self._token is None:
            if (request.url.hostname or "") in self._hosts:
                return None
            return problem(HTTPStatus.BAD_REQUEST, "asked under a name that is not this machine's: use 127.0.0.1")
        if request.url.path == "/login" and request.method == "POST":
            return await self._login(request)
        if request.url.path in OPEN or self._knows(request):
            return None
        if request.url.path == "/":
            return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
        return problem(HTTPStatus.UNAUTHORIZED, "log in at /login, or send the header Authorization: Bearer TOKEN")

    def _knows(self, request: Request) -> bool:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        return self._is_token(bearer) or _same(request.cookies.get(COOKIE, ""), self._cookie())

    async def _login(self, request: Request) -> Response:
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > LONGEST_LOGIN:
                return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "this is no token")
        given = parse_qs(body.decode("ascii", "replace")).get("token", [""])[0].strip()
        if not self._is_token(given):
            return RedirectResponse("/login?wrong=1", HTTPStatus.SEE_OTHER)
        response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
        secure = request.url.scheme == "https"
        response.set_cookie(
            COOKIE, self._cookie(), max_age=COOKIE_AGE_S, httponly=True, samesite="strict", secure=secure
        )
        return response

    def _is_token(self, given: str) -> bool:
        return self._token is not None and _same(given, self._token)

    def _cookie(self) -> str:
        """Not the token itself: what a browser keeps is of no use elsewhere once the token is changed."""
        return hmac.new((self._token or "").encode(), b"cookie", hashlib.sha256).hexdigest()


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
