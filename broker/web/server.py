"""Serves the dashboard until SIGTERM or Ctrl-C."""

import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from mien.broker.settings import DashboardSettings
from mien.errors import ConfigurationError

from .bounded_server import BoundedServer
from .connections import Connections, connection_limit

KEEP_ALIVE_S = 10
"""Longer than clients keep an idle connection, 5 s by default: it must not be closed while they send a request."""
SHUTDOWN_S = 2
"""How long to wait for responses."""


def serve(app: FastAPI, settings: DashboardSettings, on_ready: Callable[[str], None]) -> None:
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
        log_config=None,
        log_level="error",  # its warnings are about clients' mistakes, one line for each
        access_log=False,
        http="h11",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
        ssl_certfile=settings.certificate_file,
        ssl_keyfile=settings.key_file,
    )
    server = BoundedServer(config, Connections(connection_limit()), on_stop=app.state.events.close)

    def stop(*_: object) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):  # until uvicorn handles them, and when it raises them again
        signal.signal(number, stop)
    with listener:
        on_ready(f"{scheme}://{host}:{listener.getsockname()[1]}")
        server.run(sockets=[listener])


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
