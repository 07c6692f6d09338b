"""Serves the dashboard until SIGTERM or Ctrl-C."""

import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from mien.broker.settings import DashboardSettings
from mien.errors import ConfigurationError

SHUTDOWN_S = 2
"""How long to wait for open event streams, which would never end by themselves."""


def serve(app: ASGIApp, settings: DashboardSettings, on_ready: Callable[[str], None]) -> None:
    """Serve the application; `on_ready` is called with its URL once the port is open.

    ConfigurationError if it cannot listen on the address, or cannot read the certificate or its key.
    """
    _check_certificate(settings)
    try:
        listener = socket.create_server(
            (settings.host, settings.port), family=socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        )
    except OSError as error:
        address = f"{settings.host}, port {settings.port}"
        raise ConfigurationError(
            f"cannot listen on {address} ({error.strerror}): choose another with --port"
        ) from error
    scheme = "https" if settings.certificate_file else "http"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
        ssl_certfile=settings.certificate_file,
        ssl_keyfile=settings.key_file,
    )
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn stops at these, then raises them again
        signal.signal(number, lambda *_: None)
    with listener:
        on_ready(f"{scheme}://{host}:{listener.getsockname()[1]}")
        uvicorn.Server(config).run(sockets=[listener])


def _check_certificate(settings: DashboardSettings) -> None:
    if settings.certificate_file is None:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            Path(settings.certificate_file), settings.key_file
        )
    except OSError as error:  # SSLError is an OSError too
        paths = f"{settings.certificate_file} and {settings.key_file}"
        raise ConfigurationError(f"certificate_file and key_file: cannot use {paths}: {error}") from error
