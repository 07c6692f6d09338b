"""The server in containers: compose.yaml, the collector's image, and PostgreSQL where one wants it."""

import os
import secrets
from importlib.resources import files
from pathlib import Path
from string import Template

from .authority import Authority, write_secret
from .configurations import DASHBOARD_PORT, dashboard_toml
from .wheel import write_wheel

DATABASE_HOST = "database"
"""PostgreSQL's name among the containers."""


def write_containers(folder: Path, host: str, port: int) -> None:
    """Write compose.yaml, .env, the Dockerfile and its wheel into a server's folder."""
    keys = folder / DATABASE_HOST
    options = {
        "hba_file": keys / "pg_hba.conf",
        "ssl": "on",
        "ssl_cert_file": keys / "server.crt",
        "ssl_key_file": keys / "server.key",
    }
    command = ["postgres", *(part for name, value in options.items() for part in ("-c", f"{name}={value}"))]
    compose = Template((files("mien.deploy") / "compose.yaml").read_text()).substitute(
        folder=folder,
        host=host,
        port=port,
        dashboard=DASHBOARD_PORT,
        user=f"{os.getuid()}:{os.getgid()}",
        postgres=f"[{', '.join(command)}]",
    )
    (folder / "compose.yaml").write_text(compose)
    (folder / ".env").write_text("COMPOSE_PROJECT_NAME=mien\nCOMPOSE_PROFILES=sqlite\n")
    (folder / "Dockerfile").write_bytes((files("mien.deploy") / "Dockerfile").read_bytes())
    (folder / ".dockerignore").write_text("*\n!wheels\n")  # no key goes into a build
    (folder / "wheels").mkdir(mode=0o700)
    write_wheel(folder / "wheels")


def write_database(folder: Path, authority: Authority) -> None:
    """Write what PostgreSQL and a collector on it need: a password, and a certificate of the server's authority."""
    place = folder / DATABASE_HOST
    place.mkdir(mode=0o700)
    identity = authority.server([DATABASE_HOST, "localhost"])
    (place / "server.crt").write_bytes(identity.certificate)
    write_secret(place / "server.key", identity.key)
    # whoever comes over the network needs TLS and the password; the socket is the container's own
    (place / "pg_hba.conf").write_text("local all all trust\nhostssl all all all scram-sha-256\n")
    password = secrets.token_urlsafe(32)
    write_secret(place / "password", password.encode())
    write_secret(place / "pgpass", f"*:*:mien:mien:{password}\n".encode())
    settings = (folder / "collector" / "collector.toml").read_text()
    url = f"postgresql://mien@{DATABASE_HOST}/mien?sslmode=verify-full&sslrootcert={folder}/collector/ca.crt"
    here = f'database = "{folder}/collector/data/mien.db"'
    assert here in settings  # as mien.deploy.configurations writes it
    (folder / "collector" / "postgresql.toml").write_text(settings.replace(here, f'database = "{url}"'))


def write_reader(folder: Path) -> None:
    """Write what makes the role that the dashboard and Grafana read PostgreSQL as: SQL, its password, settings."""
    place = folder / DATABASE_HOST / "reader"
    place.mkdir(mode=0o700)
    password = secrets.token_urlsafe(32)
    write_secret(place / "password", password.encode())
    write_secret(place / "pgpass", f"*:*:mien:mien_reader:{password}\n".encode())
    sql = (files("mien.deploy") / "grafana" / "reader.sql").read_text()
    (place / "reader.sql").write_text(Template(sql).substitute(folder=folder))
    url = f"postgresql://mien_reader@{DATABASE_HOST}/mien?sslmode=verify-full&sslrootcert={folder}/collector/ca.crt"
    (folder / "dashboard" / "postgresql.toml").write_text(dashboard_toml(folder, url))
