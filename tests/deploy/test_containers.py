"""compose.yaml is valid, and its PostgreSQL takes the collector over TLS alone.

compose_spec.json is the schema of the Compose specification that docker-compose 1.29.2 brings (Apache-2.0).
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from mosquitto import Mosquitto, free_port
from postgresql import PostgreSQL
from samples import make_observation
from served import identity

from mien.broker.settings import CollectorSettings, DashboardSettings
from mien.configuration import load
from mien.deploy.server import ServerFolder
from mien.edge.clock import Clock
from mien.edge.outbox import Outbox
from mien.edge.uplink import Uplink

MIEN = Path(sys.executable).parent / "mien"
SCHEMA = json.loads((Path(__file__).parent / "compose_spec.json").read_text())


@pytest.fixture
def compose(folder: ServerFolder) -> dict[str, Any]:
    """The file, with what `<<` takes over in place."""
    values: dict[str, Any] = yaml.safe_load((folder.path / "compose.yaml").read_text())
    return values


def test_it_is_valid_by_the_specification_s_schema(compose: dict[str, Any]) -> None:
    validator = jsonschema.Draft7Validator(SCHEMA)
    validator.validate(compose)
    compose["services"]["broker"]["imagine"] = "mosquitto"
    with pytest.raises(jsonschema.ValidationError, match="imagine"):
        validator.validate(compose)


def test_no_container_runs_as_more_than_it_must(compose: dict[str, Any], folder: ServerFolder) -> None:
    for name, service in compose["services"].items():
        assert service["user"] == f"{os.getuid()}:{os.getgid()}", name
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        mounted = [volume.split(":")[0] for volume in service["volumes"]]
        assert all(Path(volume).exists() for volume in mounted), name
        assert not [volume for volume in mounted if volume.startswith(f"{folder.path}/authority")], name


def test_sqlite_is_the_default_and_one_of_the_profiles_runs_one_collector(
    compose: dict[str, Any], folder: ServerFolder
) -> None:
    assert "COMPOSE_PROFILES=sqlite\n" in (folder.path / ".env").read_text()
    built = {name: service["profiles"] for name, service in compose["services"].items() if "build" in service}
    collectors = ["collector", "collector-postgresql"]
    assert [built[name] for name in collectors] == [["sqlite"], ["postgresql"]]
    assert [built[name] for name in ("dashboard", "dashboard-postgresql")] == [["sqlite"], ["postgresql"]]
    for name in ("dashboard", "dashboard-postgresql"):
        load(Path(compose["services"][name]["command"][-1]), DashboardSettings)
    for name in collectors:
        settings = Path(compose["services"][name]["command"][-1])
        assert (
            load(settings, CollectorSettings).mqtt.address[0]
            in (compose["services"]["broker"]["networks"]["default"]["aliases"])
        )


def test_the_image_is_built_from_the_wheel_beside_it(folder: ServerFolder) -> None:
    lines = (folder.path / "Dockerfile").read_text().splitlines()
    assert "COPY wheels/ /wheels/" in lines
    assert [line for line in lines if line.startswith("USER ")] == ["USER 65534:65534"]
    assert list((folder.path / "wheels").glob("mien-*-py3-none-any.whl"))


def test_no_secret_stands_in_what_compose_reads(folder: ServerFolder) -> None:
    secrets = ["database/password", "database/reader/password", "grafana/password", "dashboard/token"]
    for secret in secrets:
        word = (folder.path / secret).read_text().strip()
        assert len(word) >= 32
        holders = [file for file in folder.path.rglob("*") if file.is_file() and word.encode() in file.read_bytes()]
        assert {file.name for file in holders} <= {"password", "pgpass", "token"}
        assert all(file.stat().st_mode & 0o077 == 0 for file in holders)


@pytest.fixture
def served() -> Iterator[tuple[ServerFolder, PostgreSQL]]:
    """PostgreSQL with the files and options of compose.yaml, where also the user that it runs as can go."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        folder = ServerFolder.made(Path(place) / "server", ["localhost"], free_port())
        folder.path.chmod(0o755)
        database = folder.path / "database"
        command = yaml.safe_load((folder.path / "compose.yaml").read_text())["services"]["database"]["command"]
        options = tuple(option for option in command[1:] if option != "-c")
        password = ("--auth-host=scram-sha-256", "--auth-local=trust", f"--pwfile={database / 'password'}")
        shutil.copy(database / "pgpass", place)
        if os.geteuid() == 0:
            for file in database.iterdir():
                shutil.chown(file, "postgres")
        server = PostgreSQL(database, authentication=password, options=options).make()
        try:
            server.database("mien")
            yield folder, server
        finally:
            server.stop()


def test_the_collector_stores_in_postgresql_over_tls_with_its_password_and_nobody_does_without(
    served: tuple[ServerFolder, PostgreSQL], tmp_path: Path
) -> None:
    """Programs of their own connect: where TensorFlow is imported, as trainer's tests do, libpq crashes over TLS."""
    folder, server = served
    file = folder.path / "collector" / "postgresql.toml"
    url = load(file, CollectorSettings).database
    here = url.replace("@database/", f"@localhost:{server.port}/")  # a name that only containers have
    assert here != url
    file.write_text(file.read_text().replace(url, here))
    environment = os.environ | {"PGPASSFILE": str(folder.path.parent / "pgpass")}
    broker = Mosquitto(folder.path / "broker" / "mosquitto.conf", folder.server.port).start()
    collector = subprocess.Popen([MIEN, "collect", "--config", file], env=environment, stderr=subprocess.DEVNULL)
    folder.add("hallway")
    try:
        clock = Clock("trusted")
        with Outbox(tmp_path / "outbox.db", device="hallway") as outbox:
            outbox.append(lambda name, seq: make_observation(name, seq, device="hallway"), clock.moment())
            mqtt = identity(folder, "hallway")
            with Uplink(mqtt, device="hallway", model_id="0123456789ab", outbox=outbox, clock=clock) as uplink:
                assert uplink.drain(30)
    finally:
        collector.terminate()
        collector.wait(30)
        broker.stop()
    ask = [MIEN, "query", "--json", "--db", here]
    told = subprocess.run(ask, env=environment, capture_output=True, text=True, check=True)
    assert [row["device"] for row in json.loads(told.stdout)] == ["hallway"]
    refused = subprocess.run(
        ask, env=environment | {"PGPASSFILE": "/nowhere"}, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 8
    assert "password" in refused.stderr
    ask[-1] = here.replace("verify-full", "disable")
    unencrypted = subprocess.run(ask, env=environment, capture_output=True, text=True, check=False)
    assert unencrypted.returncode == 8
    assert "no encryption" in unencrypted.stderr


def test_the_dashboard_s_role_reads_what_comes_and_writes_nothing(served: tuple[ServerFolder, PostgreSQL]) -> None:
    """Programs of their own connect, as above. The role is made first, as PostgreSQL's image does."""
    folder, server = served
    reader = folder.path / "database" / "reader"
    socket = f"host={server.folder} port={server.port} user=mien dbname=mien"
    subprocess.run(["psql", "--set=ON_ERROR_STOP=1", "--file", reader / "reader.sql", socket], check=True)
    subprocess.run(["psql", "--set=ON_ERROR_STOP=1", "--command", "CREATE TABLE later (a INTEGER)", socket], check=True)
    url = load(folder.path / "dashboard" / "postgresql.toml", DashboardSettings).database
    here = url.replace("@database/", f"@localhost:{server.port}/")
    assert here != url
    for statement, wanted in (
        ("SELECT count(*) FROM later", ""),
        ("INSERT INTO later VALUES (1)", "read-only transaction"),
        ("SET TRANSACTION READ WRITE; INSERT INTO later VALUES (1)", "permission denied"),
        ("CREATE TEMPORARY TABLE mine (a INTEGER)", "permission denied|read-only transaction"),
    ):
        told = subprocess.run(
            ["psql", "--set=ON_ERROR_STOP=1", "--command", statement, here],
            env=os.environ | {"PGPASSFILE": str(reader / "pgpass")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert re.search(wanted, told.stderr), told.stderr
        assert (told.returncode == 0) == (wanted == ""), statement
