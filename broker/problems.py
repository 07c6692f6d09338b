"""Errors over HTTP: application/problem+json (RFC 9457), one line with the cure, never a traceback."""

from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from mien.errors import LogBusy, MienError, QueryStopped, UsageError

from .forms import Problem

KIND = "application/problem+json"
STATUS: dict[type[MienError], HTTPStatus] = {
    UsageError: HTTPStatus.UNPROCESSABLE_ENTITY,
    QueryStopped: HTTPStatus.UNPROCESSABLE_ENTITY,
    LogBusy: HTTPStatus.TOO_MANY_REQUESTS,
}
"""Others are the server's own trouble: 503."""
RETRY_S = 5

DOCUMENTED: dict[int | str, dict[str, Any]] = {
    int(status): {"model": Problem, "description": words, "content": {KIND: {}}}
    for status, words in {
        HTTPStatus.BAD_REQUEST: "Asked under a name that is not this server's.",
        HTTPStatus.UNAUTHORIZED: "The token is missing or wrong.",
        HTTPStatus.UNPROCESSABLE_ENTITY: "A parameter is wrong, or the question takes too long.",
        HTTPStatus.TOO_MANY_REQUESTS: "Too many questions at once.",
        HTTPStatus.SERVICE_UNAVAILABLE: "The log cannot be read.",
    }.items()
}


def problem(status: HTTPStatus, detail: str, field: str | None = None) -> Response:
    """A problem as a response."""
    body = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail, "field": field}
    headers = {"Retry-After": str(RETRY_S)} if status in (429, 503) else {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(msgspec.json.encode(body), status, headers, KIND)


def handle_problems(app: FastAPI) -> None:
    """Make an application answer its errors as problems."""
    app.add_exception_handler(MienError, _of_mien)
    app.add_exception_handler(RequestValidationError, _of_parameters)
    app.add_exception_handler(HTTPException, _of_http)


def _of_mien(_request: Request, error: Exception) -> Response:
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), HTTPStatus.SERVICE_UNAVAILABLE)
    return problem(status, str(error), getattr(error, "field", None))


def _of_parameters(_request: Request, error: Exception) -> Response:
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": (), "msg": str(error)}
    names = [str(part) for part in first["loc"][1:]]
    field = names[0] if names else None
    said = str(first["msg"])
    words = f"{field}: {said[:1].lower()}{said[1:]}" if field else said
    if first.get("type") == "extra_forbidden":
        words = f"there is no parameter {field!r}: /openapi.json describes those there are"
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, words, field)


def _of_http(_request: Request, error: Exception) -> Response:
    status = HTTPStatus(getattr(error, "status_code", 500))
    response = problem(
        status, f"{status.description or status.phrase}: the page is at /, the interface in /openapi.json"
    )
    response.headers.update(getattr(error, "headers", None) or {})
    return response
