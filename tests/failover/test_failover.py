"""PostgreSQL is restarted, and its replica is promoted, while rows arrive: nothing is lost, and nothing is there twice.

The collector connects as its documentation says: over TLS, by a URL with both servers, as a role that may do no more
than create its tables and write them.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from mosquitto import Mosquitto
from polling import wait_for
from postgresql import PostgreSQL
from samples import make_draft

from mien.deploy.server.certificate_authority import CertificateAuthority
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.delivery.publisher import Publisher
from mien.mqtt.settings import MqttSettings

MIEN = Path(sys.executable).parent / "mien"
ADDRESSES = ("127.0.0.1", "127.0.0.2")
ROLE = "collector"
HBA = f"""
local all mien trust
local replication mien trust
hostssl mien {ROLE} 127.0.0.0/8 scram-sha-256
"""
ROWS = 150
"""Before, and again after, the server goes away."""
PACE_S = 0.01
DRAIN_S = 120.0

pytestmark = pytest.mark.real_part


@dataclass(frozen=True, slots=True)
class Cluster:
    """A primary server and its synchronous replica, which need TLS and a password."""

    primary: PostgreSQL
    standby: PostgreSQL
    url: str
    environment: dict[str, str]

    def mien(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run mien as a process: libpq crashes over TLS where TensorFlow is imported, as other tests do."""
        return subprocess.run([MIEN, *command], env=self.environment, capture_output=True, text=True, check=False)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="mien-failover-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        authority = CertificateAuthority.create(folder / "authority", "test")
        ca_file = folder / "ca.crt"
        ca_file.write_bytes(authority.certificate)
        identity = authority.issue_server(ADDRESSES)
        servers = [
            _configure(folder / f"server-{address}", address, identity.certificate, identity.key)
            for address in ADDRESSES
        ]
        primary, standby = servers
        password = secrets.token_urlsafe(24)
        passwords = tmp_path / "pgpass"
        passwords.write_text(f"*:*:*:{ROLE}:{password}\n")
        passwords.chmod(0o600)
        primary.create()
        try:
            primary.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{password}'")
            primary.execute("CREATE DATABASE mien")
            primary.execute("REVOKE ALL ON DATABASE mien FROM PUBLIC")
            primary.execute(f"GRANT CONNECT ON DATABASE mien TO {ROLE}")
            primary.execute(f"GRANT USAGE, CREATE ON SCHEMA public TO {ROLE}", "mien")
            primary.create_standby(standby)
            primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            primary.execute("SELECT pg_reload_conf()")
            url = f"postgresql://{ROLE}@{','.join(ADDRESSES)}:{primary.port}/mien"
            url += f"?target_session_attrs=read-write&sslmode=verify-full&sslrootcert={ca_file}"
            yield Cluster(primary, standby, url, os.environ | {"PGPASSFILE": str(passwords)})
        finally:
            for server in servers:
                server.stop()


def _configure(folder: Path, address: str, certificate: bytes, key: bytes) -> PostgreSQL:
    folder.mkdir()
    for name, content in (("server.crt", certificate), ("server.key", key), ("pg_hba.conf", HBA.encode())):
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(folder / name, "postgres")
    files = (f"ssl_cert_file={folder / 'server.crt'}", f"ssl_key_file={folder / 'server.key'}")
    return PostgreSQL(folder, options=("ssl=on", *files, f"hba_file={folder / 'pg_hba.conf'}"), address=address)


@pytest.fixture
def broker(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return start_mosquitto()


@contextmanager
def running_collector_process(cluster: Cluster, folder: Path, port: int) -> Iterator[None]:
    config = folder / "collector.toml"
    config.write_text(f'database = "{cluster.url}"\nclock = "trusted"\n[mqtt]\nport = {port}\n')
    with (folder / "collector.log").open("w") as log:
        command = [str(MIEN), "collect", "--config", str(config)]
        collector = subprocess.Popen(command, env=cluster.environment, stdout=log, stderr=log)
    try:
        yield
        assert collector.poll() is None, (folder / "collector.log").read_text()
    finally:
        collector.terminate()
        collector.wait(30)


def deliver(folder: Path, port: int, in_mid_flow: Callable[[], None]) -> None:
    """Append rows to an outbox that is being published, with something that happens in between; wait for the rest."""
    clock = Clock("trusted")
    with (
        Outbox(folder / "outbox.db", device="hallway") as outbox,
        Publisher(
            MqttSettings(port=port), device="hallway", model_id="0123456789ab", outbox=outbox, clock=clock
        ) as publisher,
    ):
        outbox.append(make_draft(device="hallway"), clock.now())
        assert publisher.drain(DRAIN_S)
        for number in range(2 * ROWS - 1):
            if number == ROWS:
                assert outbox.count_waiting() > 0  # in mid-flow
                in_mid_flow()
            outbox.append(make_draft(device="hallway"), clock.now())
            time.sleep(PACE_S)
        assert publisher.drain(DRAIN_S)


def assert_complete(cluster: Cluster, server: PostgreSQL) -> None:
    """Each row once in the log of this server, and in its counts."""
    with psycopg.connect(host=str(server.folder), port=server.port, user="mien", dbname="mien") as connection:
        sequences = [seq for (seq,) in connection.execute("SELECT seq FROM observation ORDER BY seq")]
    assert sequences == list(range(1, 2 * ROWS + 1))
    check = cluster.mien("db", "check", "--db", cluster.url)
    assert check.returncode == 0, check.stdout + check.stderr


def test_rows_survive_a_crash_and_restart_of_the_server(cluster: Cluster, broker: Mosquitto, tmp_path: Path) -> None:
    def restart() -> None:
        cluster.primary.stop()
        time.sleep(1.0)  # rows go on arriving meanwhile
        cluster.primary.start()

    with running_collector_process(cluster, tmp_path, broker.port):
        deliver(tmp_path, broker.port, restart)
    assert_complete(cluster, cluster.primary)


def test_rows_survive_the_promotion_of_the_replica(cluster: Cluster, broker: Mosquitto, tmp_path: Path) -> None:
    def fail_over() -> None:
        cluster.primary.stop()
        cluster.standby.promote()

    with running_collector_process(cluster, tmp_path, broker.port):
        deliver(tmp_path, broker.port, fail_over)
    assert_complete(cluster, cluster.standby)
    wait_for(lambda: _is_primary(cluster.standby))


def _is_primary(server: PostgreSQL) -> bool:
    with psycopg.connect(host=str(server.folder), port=server.port, user="mien", dbname="mien") as connection:
        (is_replica,) = connection.execute("SELECT pg_is_in_recovery()").fetchone() or (True,)
        return not is_replica


def test_without_tls_or_the_password_nothing_is_read(cluster: Cluster) -> None:
    cluster.mien("db", "check", "--db", cluster.url)
    for environment, url, message in (
        (cluster.environment, cluster.url.replace("verify-full", "disable"), "no encryption"),
        (cluster.environment | {"PGPASSFILE": "/nowhere"}, cluster.url, "no password supplied"),
        (cluster.environment, cluster.url.replace(",127.0.0.2", ",127.0.0.3").replace("127.0.0.1,", ""), "refused"),
    ):
        result = subprocess.run(
            [MIEN, "query", "--db", url], env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 8, result.stderr
        assert message in result.stderr
