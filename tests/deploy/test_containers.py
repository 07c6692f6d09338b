"""compose.yaml is valid, and its PostgreSQL takes the collector over TLS alone.

compose_spec.json is the schema of the Compose specification that docker-compose 1.29.2 brings (Apache-2.0).
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from postgresql import PostgreSQL
from sqlalchemy import text

from mien.broker.database import open_for_writing
from mien.broker.settings import CollectorSettings
from mien.configuration import load
from mien.deploy.server import ServerFolder
from mien.errors import DatabaseError

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
    collectors = {name: service["profiles"] for name, service in compose["services"].items() if "build" in service}
    assert collectors == {"collector": ["sqlite"], "collector-postgresql": ["postgresql"]}
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
    password = (folder.path / "database" / "password").read_text()
    assert len(password) >= 32
    for name in ("compose.yaml", ".env", "Dockerfile", "collector/postgresql.toml"):
        assert password not in (folder.path / name).read_text()


@pytest.fixture
def served() -> Iterator[tuple[ServerFolder, PostgreSQL]]:
    """PostgreSQL with the files and options of compose.yaml, where also the user that it runs as can go."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        folder = ServerFolder.made(Path(place) / "server", ["localhost"], 8883)
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


def test_the_collector_reaches_postgresql_over_tls_with_its_password_and_nobody_does_without(
    served: tuple[ServerFolder, PostgreSQL], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, server = served
    url = load(folder.path / "collector" / "postgresql.toml", CollectorSettings).database
    here = url.replace("@database/", f"@localhost:{server.port}/")  # a name that only containers have
    assert here != url
    monkeypatch.setenv("PGPASSFILE", str(folder.path.parent / "pgpass"))
    with open_for_writing(here).connect() as connection:
        assert connection.execute(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")).scalar() is True
    monkeypatch.setenv("PGPASSFILE", "/nowhere")
    with pytest.raises(DatabaseError, match="password"):
        open_for_writing(here)
