"""The emotion log in PostgreSQL, for more load than one machine can take: several collectors write to it."""

from typing import Any

from sqlalchemy import URL, Engine, create_engine, event

from mien.errors import ConfigurationError, MissingExtra
from mien.mqtt.settings import LOOPBACK

from .reader_pool import READER_POOL_OPTIONS
from .writer_locks import begin_writing

CONNECT_TIMEOUT_S = 5
QUERY_CANCELED = "57014"
"""SQLSTATE of a statement that was canceled at its time limit."""
HINTS = {
    "55P03": "it is in use; stop collectors, dashboards and Grafana, and try again",
    "2BP01": "drop the views that depend on mien's views, try again, and create them again",
}
"""By SQLSTATE: lock_not_available, dependent_objects_still_exist."""
OPTIONS = "-c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"
"""A collector that hangs inside a transaction must not block the others forever."""
WRITER_TIMEOUT_S = 60.0
"""Time limit of each of a writer's statements."""


def create_writer(url: URL) -> Engine:
    """An engine whose transactions take the locks of `writer_locks`. Errors as for `_to_psycopg_url`."""
    arguments = _connect_arguments(url, WRITER_TIMEOUT_S)
    # After a lock was waited for, each statement has to see what its former holder committed.
    isolation = {"isolation_level": "READ COMMITTED", "pool_pre_ping": True}
    engine = create_engine(_to_psycopg_url(url), connect_args=arguments, **isolation)

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        begin_writing(connection)

    return engine


def create_reader(url: URL, timeout_s: float | None) -> Engine:
    """An engine that cannot write; each transaction reads one snapshot. Errors as for `_to_psycopg_url`.

    PostgreSQL cancels a statement that exceeds `timeout_s`.
    """
    arguments = _connect_arguments(url, timeout_s)
    arguments["options"] += " -c default_transaction_read_only=on"
    isolation = {"isolation_level": "REPEATABLE READ", "pool_pre_ping": True}
    if url.query.get("target_session_attrs") == "read-write":  # which no session of a reader is
        url = url.update_query_dict({"target_session_attrs": "primary"})
    return create_engine(_to_psycopg_url(url), connect_args=arguments, **isolation, **READER_POOL_OPTIONS)


def _to_psycopg_url(url: URL) -> URL:
    """The URL for the psycopg driver. ConfigurationError if it contains a password, MissingExtra without psycopg."""
    if url.password is not None or "password" in url.query:
        raise ConfigurationError(
            f"the URL of the database on {url.host} contains a password, which others can read: put it into "
            "~/.pgpass, or into a file of that format named with ?passfile="
        )
    hidden = {"host", "hostaddr", "service"} & url.query.keys()
    if hidden and not str(url.query.get("host", "")).startswith("/"):
        raise ConfigurationError(
            f"the query of a database URL cannot set {', '.join(sorted(hidden))}: write postgresql://HOST/DATABASE"
        )
    try:
        import psycopg  # noqa: F401 (imported here to report early that it is missing)
    except ImportError as error:
        raise MissingExtra("PostgreSQL needs psycopg: pip install 'mien[postgresql]'") from error
    return url.set(drivername="postgresql+psycopg")


def _connect_arguments(url: URL, timeout_s: float | None) -> dict[str, Any]:
    """Settings of libpq: time limits, and TLS with certificate verification for every other machine."""
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "options": f"{OPTIONS} -c statement_timeout={0 if timeout_s is None else round(timeout_s * 1000)}",
        "keepalives_idle": 10,
        "tcp_user_timeout": 20_000,
    }
    is_remote = url.host is not None and url.host not in LOOPBACK and not url.host.startswith("/")
    if is_remote and "sslmode" not in url.query:
        arguments |= {"sslmode": "verify-full"} | ({} if "sslrootcert" in url.query else {"sslrootcert": "system"})
    return arguments
