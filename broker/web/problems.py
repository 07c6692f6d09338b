"""Errors as HTTP responses: application/problem+json (RFC 9457), one line with a hint, never a traceback."""

from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from mien.errors import MienError, QueryTimeout, TooManyQueries, UsageError

from .api_models import Problem

MEDIA_TYPE = "application/problem+json"
STATUS_BY_ERROR: dict[type[MienError], HTTPStatus] = {
    UsageError: HTTPStatus.UNPROCESSABLE_ENTITY,
    QueryTimeout: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooManyQueries: HTTPStatus.TOO_MANY_REQUESTS,
}
"""Every other error is the server's: 503."""
RETRY_AFTER_S = 5

PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    int(status): {"model": Problem, "description": description, "content": {MEDIA_TYPE: {}}}
    for status, description in {
        HTTPStatus.BAD_REQUEST: "This host name is not served.",
        HTTPStatus.UNAUTHORIZED: "The token is missing or wrong.",
        HTTPStatus.FORBIDDEN: "A page of another site sent this request.",
        HTTPStatus.UNPROCESSABLE_ENTITY: "A parameter is invalid, or the query takes too long.",
        HTTPStatus.TOO_MANY_REQUESTS: "Too many queries are running, or too many wrong tokens came from this address.",
        HTTPStatus.SERVICE_UNAVAILABLE: "The log cannot be read, or too many clients listen to events.",
    }.items()
}


def problem_response(
    status: HTTPStatus, detail: str, field: str | None = None, *, retry_after_s: int = RETRY_AFTER_S
) -> Response:
    """A problem as a response."""
    body = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail, "field": field}
    headers = {"Retry-After": str(retry_after_s)} if status in (429, 503) else {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(msgspec.json.encode(body), status, headers, MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Make an application respond to its errors with problems."""
    app.add_exception_handler(MienError, _handle_mien_error)
    app.add_exception_handler(RequestValidationError, _handle_validation_error)
    app.add_exception_handler(HTTPException, _handle_http_error)


def _handle_mien_error(_request: Request, error: Exception) -> Response:
    matches = (STATUS_BY_ERROR[base] for base in type(error).__mro__ if base in STATUS_BY_ERROR)
    return problem_response(next(matches, HTTPStatus.SERVICE_UNAVAILABLE), str(error), getattr(error, "field", None))


def _handle_validation_error(_request: Request, error: Exception) -> Response:
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": (), "msg": str(error)}
    names = [str(part) for part in first["loc"][1:]]
    field = names[0] if names else None
    message = str(first["msg"])
    detail = f"{field}: {message[:1].lower()}{message[1:]}" if field else message
    if first.get("type") == "extra_forbidden":
        detail = f"unknown parameter {field!r}: see /openapi.json"
    return problem_response(HTTPStatus.UNPROCESSABLE_ENTITY, detail, field)


def _handle_http_error(_request: Request, error: Exception) -> Response:
    status = HTTPStatus(getattr(error, "status_code", 500))
    response = problem_response(
        status, f"{status.description or status.phrase}: the dashboard is at /, the API is described in /openapi.json"
    )
    response.headers.update(getattr(error, "headers", None) or {})
    return response
