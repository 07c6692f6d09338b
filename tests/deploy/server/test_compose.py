"""compose.yaml is valid, and its PostgreSQL accepts the collector over TLS only.

compose_spec.json is the schema of the Compose specification that docker-compose 1.29.2 contains (Apache-2.0).
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from device_settings import device_mqtt_settings
from mosquitto import Mosquitto, free_port
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from postgresql import PostgreSQL
from samples import make_draft

from mien.broker.settings import CollectorSettings, DashboardSettings
from mien.deploy.server.folder import ServerFolder
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.delivery.publisher import Publisher
from mien.settings.load import load_settings
from mien.version import VERSION

MIEN = Path(sys.executable).parent / "mien"
SCHEMA = json.loads((Path(__file__).parent / "compose_spec.json").read_text())


@pytest.fixture
def compose(server: ServerFolder) -> dict[str, Any]:
    """The file, with its `<<` merges resolved."""
    values: dict[str, Any] = yaml.safe_load((server.path / "compose.yaml").read_text())
    return values


def test_it_is_valid_by_the_specification_s_schema(compose: dict[str, Any]) -> None:
    validator = jsonschema.Draft7Validator(SCHEMA)
    validator.validate(compose)
    compose["services"]["mosquitto"]["imagine"] = "mosquitto"
    with pytest.raises(jsonschema.ValidationError, match="imagine"):
        validator.validate(compose)


def test_containers_have_no_more_privileges_than_they_need(compose: dict[str, Any], server: ServerFolder) -> None:
    for name, service in compose["services"].items():
        assert service["user"] == f"{os.getuid()}:{os.getgid()}", name
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        mounted = [volume.split(":")[0] for volume in service["volumes"]]
        assert all(Path(volume).exists() for volume in mounted), name
        assert not [volume for volume in mounted if volume.startswith(f"{server.path}/certificate-authority")], name


def test_sqlite_is_the_default_and_each_profile_runs_one_collector(
    compose: dict[str, Any], server: ServerFolder
) -> None:
    assert "COMPOSE_PROFILES=sqlite\n" in (server.path / ".env").read_text()
    profiles = {name: service["profiles"] for name, service in compose["services"].items() if "build" in service}
    collectors = ["collector", "collector-postgresql"]
    assert [profiles[name] for name in collectors] == [["sqlite"], ["postgresql"]]
    assert [profiles[name] for name in ("dashboard", "dashboard-postgresql")] == [["sqlite"], ["postgresql"]]
    for name in ("dashboard", "dashboard-postgresql"):
        load_settings(Path(compose["services"][name]["command"][-1]), DashboardSettings)
    aliases = compose["services"]["mosquitto"]["networks"]["default"]["aliases"]
    for name in collectors:
        settings = Path(compose["services"][name]["command"][-1])
        assert load_settings(settings, CollectorSettings).mqtt.address[0] in aliases


def test_the_image_is_built_from_the_wheel_and_the_lock_next_to_it(server: ServerFolder) -> None:
    text = (server.path / "Dockerfile").read_text()
    lines = text.splitlines()
    assert "COPY wheels/ /wheels/" in lines
    assert [line for line in lines if line.startswith("USER ")] == ["USER 65534:65534"]
    assert list((server.path / "wheels").glob("mien-*-py3-none-any.whl"))
    assert "--require-hashes --requirement /wheels/requirements.txt" in text
    assert not re.search("x86|amd64|aarch64|arm64", "\n".join(line for line in lines if not line.startswith("#")))
    (base,) = (line.removeprefix("FROM ") for line in lines if line.startswith("FROM "))
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", base)
    labels = dict(re.findall(r'org\.opencontainers\.image\.([a-z.]+)="([^"]*)"', text))
    assert labels.keys() == {"title", "description", "licenses", "version", "source", "base.name"}
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert labels["licenses"] == project["license"]
    assert labels["base.name"] == f"docker.io/library/{base}"
    assert f"ARG VERSION={VERSION}" in lines


def test_the_lock_has_wheels_of_both_processors_for_each_python(server: ServerFolder) -> None:
    lock = (server.path / "wheels" / "requirements.txt").read_text()
    locked = {
        canonicalize_name(name): (version, hashes.count("sha256"))
        for name, version, hashes in re.findall(
            r"^(\S+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", lock, re.MULTILINE
        )
    }
    assert len(locked) == lock.count("==") > 15
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for line in [*project["dependencies"], *extras["broker"], *extras["dashboard"], *extras["postgresql"]]:
        requirement = Requirement(line)
        if requirement.name != "mien":
            version, _ = locked[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), f"{line}: run `make locks`"
    for compiled in ("msgspec", "sqlalchemy", "psycopg-binary", "pydantic-core"):
        assert locked[canonicalize_name(compiled)][1] == 6, compiled  # three Pythons on two processors


@pytest.mark.parametrize("service", ["collector", "collector-postgresql"])
def test_a_collector_is_healthy_while_it_is_connected_to_the_mqtt_broker(
    compose: dict[str, Any], server: ServerFolder, service: str
) -> None:
    program, *arguments = compose["services"][service]["healthcheck"]["test"][1:]
    assert program == "python"
    check = [sys.executable, *arguments]
    with socket.create_server(("127.0.0.1", server.server.port)) as listener:
        assert subprocess.run(check, capture_output=True, check=False).returncode == 1
        with socket.create_connection(listener.getsockname()):
            assert subprocess.run(check, capture_output=True, check=False).returncode == 0


def test_a_dashboard_is_healthy_while_it_accepts_connections(compose: dict[str, Any]) -> None:
    code = compose["services"]["dashboard"]["healthcheck"]["test"][-1]
    assert ", 8501), 5)" in code
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        check = [sys.executable, "-c", code.replace("8501", str(port))]
        assert subprocess.run(check, capture_output=True, check=False).returncode == 0
    assert subprocess.run(check, capture_output=True, check=False).returncode == 1


def test_no_file_that_compose_reads_contains_a_secret(server: ServerFolder) -> None:
    for name in ("database/password", "database/reader/password", "grafana/password", "dashboard/token"):
        secret = (server.path / name).read_text().strip()
        assert len(secret) >= 32
        files = [file for file in server.path.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]
        assert {file.name for file in files} <= {"password", "pgpass", "token"}
        assert all(file.stat().st_mode & 0o077 == 0 for file in files)


@pytest.fixture
def database_server() -> Iterator[tuple[ServerFolder, PostgreSQL]]:
    """PostgreSQL with the files and options of compose.yaml, in a folder that its user can access."""
    with tempfile.TemporaryDirectory() as temporary:
        Path(temporary).chmod(0o755)
        server = ServerFolder.create(Path(temporary) / "server", ["localhost"], free_port())
        server.path.chmod(0o755)
        database = server.path / "database"
        command = yaml.safe_load((server.path / "compose.yaml").read_text())["services"]["database"]["command"]
        options = tuple(option for option in command[1:] if option != "-c")
        password = ("--auth-host=scram-sha-256", "--auth-local=trust", f"--pwfile={database / 'password'}")
        shutil.copy(database / "pgpass", temporary)
        if os.geteuid() == 0:
            for file in database.iterdir():
                shutil.chown(file, "postgres")
        postgresql = PostgreSQL(database, authentication=password, options=options).create()
        try:
            postgresql.database("mien")
            yield server, postgresql
        finally:
            postgresql.stop()


def test_the_collector_stores_in_postgresql_with_tls_and_a_password_and_not_without(
    database_server: tuple[ServerFolder, PostgreSQL], tmp_path: Path
) -> None:
    """Separate processes connect: libpq crashes over TLS where TensorFlow is imported, as the trainer's tests do."""
    server, postgresql = database_server
    file = server.path / "collector" / "postgresql.toml"
    url = load_settings(file, CollectorSettings).database
    local_url = url.replace("@database/", f"@localhost:{postgresql.port}/")  # `database` exists only among containers
    assert local_url != url
    file.write_text(file.read_text().replace(url, local_url))
    environment = os.environ | {"PGPASSFILE": str(server.path.parent / "pgpass")}
    broker = Mosquitto(server.path / "mosquitto" / "mosquitto.conf", server.server.port).start()
    collector = subprocess.Popen([MIEN, "collect", "--config", file], env=environment, stderr=subprocess.DEVNULL)
    server.add("hallway")
    try:
        clock = Clock("trusted")
        with Outbox(tmp_path / "outbox.db", device="hallway") as outbox:
            outbox.append(make_draft(device="hallway"), clock.now())
            mqtt = device_mqtt_settings(server, "hallway")
            with Publisher(mqtt, device="hallway", model_id="0123456789ab", outbox=outbox, clock=clock) as publisher:
                assert publisher.drain(30)
    finally:
        collector.terminate()
        collector.wait(30)
        broker.stop()
    query = [str(MIEN), "query", "--json", "--db", local_url]
    result = subprocess.run(query, env=environment, capture_output=True, text=True, check=True)
    assert [row["device"] for row in json.loads(result.stdout)] == ["hallway"]
    no_password = environment | {"PGPASSFILE": "/nowhere"}
    result = subprocess.run(query, env=no_password, capture_output=True, text=True, check=False)
    assert result.returncode == 8
    assert "password" in result.stderr
    query[-1] = local_url.replace("verify-full", "disable")
    result = subprocess.run(query, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 8
    assert "no encryption" in result.stderr


def test_the_dashboard_s_role_can_read_new_tables_and_write_nothing(
    database_server: tuple[ServerFolder, PostgreSQL],
) -> None:
    """Separate processes connect, as above. The role is created first, as PostgreSQL's image does."""
    server, postgresql = database_server
    reader = server.path / "database" / "reader"
    owner = f"host={postgresql.folder} port={postgresql.port} user=mien dbname=mien"
    psql = ["psql", "--set=ON_ERROR_STOP=1"]
    subprocess.run([*psql, "--file", reader / "reader.sql", owner], check=True)
    subprocess.run([*psql, "--command", "CREATE TABLE later (a INTEGER)", owner], check=True)
    url = load_settings(server.path / "dashboard" / "postgresql.toml", DashboardSettings).database
    local_url = url.replace("@database/", f"@localhost:{postgresql.port}/")
    assert local_url != url
    for statement, expected_error in (
        ("SELECT count(*) FROM later", ""),
        ("INSERT INTO later VALUES (1)", "read-only transaction"),
        ("SET TRANSACTION READ WRITE; INSERT INTO later VALUES (1)", "permission denied"),
        ("CREATE TEMPORARY TABLE mine (a INTEGER)", "permission denied|read-only transaction"),
    ):
        result = subprocess.run(
            [*psql, "--command", statement, local_url],
            env=os.environ | {"PGPASSFILE": str(reader / "pgpass")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert re.search(expected_error, result.stderr), result.stderr
        assert (result.returncode == 0) == (expected_error == ""), statement
