"""The image is built, and the server's containers run from compose.yaml, store a device's rows and keep them.

No registry can be reached here: the images python, eclipse-mosquitto and postgres are stand-ins, made of Debian's
packages under the same tags. All else is what users get.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from container_engine import PREPARED, Engine, new_engine
from device_settings import device_mqtt_settings
from mosquitto import free_port
from samples import make_draft

from mien.broker.settings import CollectorSettings
from mien.deploy.server.folder import ServerFolder
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.delivery.publisher import Publisher
from mien.settings.load import load_settings
from mien.version import VERSION

USER = 1234
"""An account like those of people; PostgreSQL refuses to run as root."""
SERVICES = ("mosquitto", "database", "collector-postgresql", "dashboard-postgresql")
HARDENED = ("run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL")
START_S = 180.0

pytestmark = [
    pytest.mark.real_part,
    pytest.mark.skipif(
        not (PREPARED / "installed").exists(),
        reason="there is no .venv/containers: `make test-containers` creates it, as root, with buildah and podman",
    ),
    pytest.mark.timeout(1800),
]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that other accounts can access, outside of /tmp: containers have one of their own."""
    with tempfile.TemporaryDirectory(prefix="mien-containers-", dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def server(folder: Path) -> ServerFolder:
    """A server folder of an account, with one device."""
    server = ServerFolder.create(folder / "server", ["localhost"], free_port())
    server.add("hallway")
    for file, line, changed in (
        ("compose.yaml", f'user: "{os.getuid()}:{os.getgid()}"', f'user: "{USER}:{USER}"'),
        (".env", "COMPOSE_PROFILES=sqlite", "COMPOSE_PROFILES=postgresql"),
    ):
        text = (server.path / file).read_text()
        assert line in text
        (server.path / file).write_text(text.replace(line, changed))
    for path in (server.path, *server.path.rglob("*")):
        shutil.chown(path, USER, USER)
    return server


@pytest.fixture(scope="module")
def engine(folder: Path, server: ServerFolder) -> Iterator[Engine]:
    """With the image `mien`."""
    storage = folder / "storage"
    storage.mkdir()
    with new_engine(storage) as engine:
        engine.import_stand_ins(server.path)
        engine.build(server.path, "mien")
        yield engine


def test_the_image_runs_read_only_and_without_capabilities(engine: Engine) -> None:
    assert engine.podman(*HARDENED, "mien", "--version").strip() == f"mien {VERSION}"
    script = "import os; print(os.getuid()); open('/here', 'w')"
    result = engine.try_podman(*HARDENED, "--entrypoint", "python", "mien", "-c", script)
    assert result.stdout.strip() == "65534"
    assert "Read-only file system" in result.stderr
    (image,) = engine.inspect("mien")
    assert image["Labels"]["org.opencontainers.image.version"] == VERSION
    assert image["Healthcheck"]["Test"][0] == "CMD"


@pytest.fixture
def running(engine: Engine, server: ServerFolder) -> Iterator[None]:
    engine.compose(server.path, "up", "--detach", "--no-build")
    yield
    engine.compose(server.path, "down")


def test_a_device_s_rows_are_stored_and_outlive_the_containers(
    engine: Engine, server: ServerFolder, running: None, tmp_path: Path
) -> None:
    wait_until_healthy(engine)
    deliver(server, tmp_path, 3)
    assert count_rows(engine, server) == 3
    check_privileges(engine)
    check_secrets(engine, server)
    engine.compose(server.path, "stop")
    engine.compose(server.path, "start")
    wait_until_healthy(engine)
    assert count_rows(engine, server) == 3
    engine.compose(server.path, "down")
    engine.compose(server.path, "up", "--detach", "--no-build")
    wait_until_healthy(engine)
    deliver(server, tmp_path, 2)
    assert count_rows(engine, server) == 5
    foreign = [path for path in server.path.rglob("*") if path.lstat().st_uid != USER and path.name != "local.toml"]
    assert foreign == []
    assert (server.path / "database" / "data" / "PG_VERSION").read_text() == "17\n"


def wait_until_healthy(engine: Engine) -> None:
    """Run the containers' own health checks, which podman leaves to systemd, until all succeed."""
    waiting = [f"mien_{service}_1" for service in SERVICES]
    deadline_s = time.monotonic() + START_S
    while waiting := [name for name in waiting if not is_healthy(engine, name)]:
        assert time.monotonic() < deadline_s, "\n".join(engine.logs(name) for name in waiting)


def is_healthy(engine: Engine, name: str) -> bool:
    (container,) = engine.inspect(name)
    assert container["Config"].get("Healthcheck"), name
    return engine.try_podman("healthcheck", "run", name).returncode == 0


def deliver(server: ServerFolder, folder: Path, rows: int) -> None:
    """Send observations as the device does, with its certificate, until the collector has stored all."""
    clock = Clock("trusted")
    with Outbox(folder / "outbox.db", device="hallway") as outbox:
        for _ in range(rows):
            outbox.append(make_draft(device="hallway"), clock.now())
        mqtt = device_mqtt_settings(server, "hallway")
        with Publisher(mqtt, device="hallway", model_id="0123456789ab", outbox=outbox, clock=clock) as publisher:
            assert publisher.drain(60)


def count_rows(engine: Engine, server: ServerFolder) -> int:
    url = load_settings(server.path / "collector" / "postgresql.toml", CollectorSettings).database
    answer = engine.podman("exec", "mien_collector-postgresql_1", "mien", "query", "--json", "--db", url)
    return len(json.loads(answer))


def check_privileges(engine: Engine) -> None:
    for service in SERVICES:
        name = f"mien_{service}_1"
        status = engine.podman("exec", name, "cat", "/proc/1/status")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert int(fields["CapEff"], 16) == 0, name
        assert fields["NoNewPrivs"] == "1", name
        assert fields["Uid"].split() == [str(USER)] * 4, name
        (container,) = engine.inspect(name)
        assert container["HostConfig"]["ReadonlyRootfs"], name


def check_secrets(engine: Engine, server: ServerFolder) -> None:
    """No secret stands where everyone who may ask podman can read it."""
    told = engine.podman("inspect", "mien", *(f"mien_{service}_1" for service in SERVICES))
    assert "POSTGRES_PASSWORD_FILE" in told
    for name in ("database/password", "database/reader/password", "grafana/password", "dashboard/token"):
        assert (server.path / name).read_text().strip() not in told, name
