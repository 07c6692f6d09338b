"""The server in containers: compose.yaml, the image of the collector and the dashboard, and PostgreSQL."""

import os
import secrets
from importlib.resources import files
from pathlib import Path
from string import Template

from mien.deploy.config_templates import DASHBOARD_PORT, dashboard_toml
from mien.deploy.packaging.wheel import write_wheel
from mien.files.atomic_file import write_secret
from mien.version import VERSION

from .certificate_authority import CertificateAuthority

DATABASE_HOST = "database"
"""PostgreSQL's host name among the containers, and its folder in the server folder."""


def write_compose(folder: Path, host: str, port: int) -> None:
    """Write compose.yaml, .env, the Dockerfile and its wheel into a server folder."""
    database = folder / DATABASE_HOST
    options = {
        "hba_file": database / "pg_hba.conf",
        "ssl": "on",
        "ssl_cert_file": database / "server.crt",
        "ssl_key_file": database / "server.key",
    }
    command = ["postgres", *(part for name, value in options.items() for part in ("-c", f"{name}={value}"))]
    compose = Template((files("mien.deploy.server") / "compose.yaml").read_text()).substitute(
        folder=folder,
        host=host,
        port=port,
        port_hex=f"{port:04X}",
        dashboard=DASHBOARD_PORT,
        user=f"{os.getuid()}:{os.getgid()}",
        postgres=f"[{', '.join(command)}]",
    )
    (folder / "compose.yaml").write_text(compose)
    (folder / ".env").write_text("COMPOSE_PROJECT_NAME=mien\nCOMPOSE_PROFILES=sqlite\n")
    dockerfile = (files("mien.deploy.server") / "Dockerfile").read_text()
    (folder / "Dockerfile").write_text(dockerfile.replace("ARG VERSION=unknown", f"ARG VERSION={VERSION}"))
    (folder / ".dockerignore").write_text("*\n!wheels\n")  # keeps keys out of the build
    (folder / "wheels").mkdir(mode=0o700)
    write_wheel(folder / "wheels")
    lock = files("mien.deploy.packaging") / "locks" / "server.txt"
    (folder / "wheels" / "requirements.txt").write_bytes(lock.read_bytes())


def write_database(folder: Path, authority: CertificateAuthority) -> None:
    """Write what PostgreSQL needs: a password, and a certificate of the server's certificate authority."""
    database = folder / DATABASE_HOST
    database.mkdir(mode=0o700)
    identity = authority.issue_server([DATABASE_HOST, "localhost"])
    (database / "server.crt").write_bytes(identity.certificate)
    write_secret(database / "server.key", identity.key)
    # clients on the network need TLS and the password; only the container itself reaches the socket
    (database / "pg_hba.conf").write_text("local all all trust\nhostssl all all all scram-sha-256\n")
    password = secrets.token_urlsafe(32)
    write_secret(database / "password", password.encode())
    write_secret(database / "pgpass", f"*:*:mien:mien:{password}\n".encode())


def write_reader(folder: Path) -> None:
    """Write what the dashboard and Grafana need to read PostgreSQL: the SQL of their role, its password, settings."""
    reader = folder / DATABASE_HOST / "reader"
    reader.mkdir(mode=0o700)
    password = secrets.token_urlsafe(32)
    write_secret(reader / "password", password.encode())
    write_secret(reader / "pgpass", f"*:*:mien:mien_reader:{password}\n".encode())
    sql = (files("mien.deploy.server") / "grafana" / "reader.sql").read_text()
    (reader / "reader.sql").write_text(Template(sql).substitute(folder=folder))
    (folder / "dashboard" / "postgresql.toml").write_text(dashboard_toml(folder, database_url(folder, "mien_reader")))


def database_url(folder: Path, user: str) -> str:
    """PostgreSQL as the other containers reach it."""
    return f"postgresql://{user}@{DATABASE_HOST}/mien?sslmode=verify-full&sslrootcert={folder}/collector/ca.crt"
