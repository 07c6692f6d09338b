"""The emotion log in PostgreSQL, where one machine is outgrown: several collectors write to it."""

from typing import Any

from sqlalchemy import URL, Engine, create_engine, event

from mien.errors import ConfigurationError, MissingExtra
from mien.mqtt import LOOPBACK

from .readers import READERS

WRITER_LOCK = 0x6D69656E
"""`mien` in ASCII: the advisory lock that makes writing transactions follow one another, as SQLite's do.

So what a transaction has read still holds when it writes: no deadlock, no half-merged range, no id in two tables.
Decoding, which takes most of a collector's time, stays parallel.
"""
CONNECT_TIMEOUT_S = 5
QUERY_CANCELED = "57014"
"""SQLSTATE of a statement that was stopped at its limit."""
CURES = {
    "55P03": "others use it; stop collectors, dashboards and Grafana, and try again",
    "2BP01": "drop the views that are made of mien's, try again, and make them anew",
}
"""By SQLSTATE: lock_not_available, dependent_objects_still_exist."""
OPTIONS = "-c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
"""A collector that hangs inside a transaction must not hold up the others for good."""
WRITER_LIMIT_S = 60.0
"""The longest that one of its statements may take."""


def writer(url: URL) -> Engine:
    """An engine whose transactions follow one another, those of other collectors included. Errors as for `_checked`."""
    engine = create_engine(_checked(url), pool_pre_ping=True, connect_args=_arguments(url, WRITER_LIMIT_S))

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")

    return engine


def reader(url: URL, limit_s: float | None) -> Engine:
    """An engine that cannot write; each connection sees one state of the log. Errors as for `_checked`.

    PostgreSQL stops a statement that outlasts its limit.
    """
    arguments = _arguments(url, limit_s)
    arguments["options"] += " -c default_transaction_read_only=on"
    isolation = {"isolation_level": "REPEATABLE READ", "pool_pre_ping": True}
    return create_engine(_checked(url), connect_args=arguments, **isolation, **READERS)


def _checked(url: URL) -> URL:
    """The URL for the psycopg driver. ConfigurationError if a password stands in it, MissingExtra without psycopg."""
    if url.password is not None or "password" in url.query:
        raise ConfigurationError(
            f"a password stands in the URL of the database on {url.host}, where others can read it: put it into "
            "~/.pgpass, or into a file of that form named with ?passfile="
        )
    hidden = {"host", "hostaddr", "service"} & url.query.keys()
    if hidden and not str(url.query.get("host", "")).startswith("/"):
        raise ConfigurationError(f"{', '.join(sorted(hidden))} in a database URL: write postgresql://HOST/DATABASE")
    try:
        import psycopg  # noqa: F401 (asked for now, for a clear answer)
    except ImportError as error:
        raise MissingExtra("PostgreSQL needs psycopg: pip install 'mien[postgresql]'") from error
    return url.set(drivername="postgresql+psycopg")


def _arguments(url: URL, limit_s: float | None) -> dict[str, Any]:
    """libpq's settings: time limits, and TLS with a checked certificate for every other machine."""
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "options": f"{OPTIONS} -c statement_timeout={0 if limit_s is None else round(limit_s * 1000)}",
        "keepalives_idle": 10,
        "tcp_user_timeout": 20_000,
    }
    away = url.host is not None and url.host not in LOOPBACK and not url.host.startswith("/")
    if away and "sslmode" not in url.query:
        arguments |= {"sslmode": "verify-full"} | ({} if "sslrootcert" in url.query else {"sslrootcert": "system"})
    return arguments
