"""Serves the dashboard, until SIGTERM or Ctrl-C."""

import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from mien.errors import ConfigurationError

from .settings import DashboardSettings

GRACE_S = 2
"""How long open pages may hold up the end: they listen without an end of their own."""


def serve(app: ASGIApp, settings: DashboardSettings, ready: Callable[[str], None]) -> None:
    """Serve; `ready` gets the URL once the port is taken.

    ConfigurationError if the address cannot be had, or the certificate or its key cannot be read.
    """
    _check_certificate(settings)
    try:
        listener = socket.create_server(
            (settings.host, settings.port), family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        )
    except OSError as error:
        where = f"{settings.host}, port {settings.port}"
        raise ConfigurationError(f"cannot listen on {where} ({error.strerror}): choose another with --port") from error
    scheme = "https" if settings.certificate_file else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
        ssl_certfile=settings.certificate_file,
        ssl_keyfile=settings.key_file,
    )
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn stops at these, and then sends them on
        signal.signal(number, lambda *_: None)
    with listener:
        ready(f"{scheme}://{host}:{listener.getsockname()[1]}")
        uvicorn.Server(config).run(sockets=[listener])


def _check_certificate(settings: DashboardSettings) -> None:
    if settings.certificate_file is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            Path(settings.certificate_file), settings.key_file
        )
    except OSError as error:  # ssl's errors are such, too
        words = f"{settings.certificate_file} and {settings.key_file}"
        raise ConfigurationError(f"certificate_file and key_file: {words} cannot be used: {error}") from error
