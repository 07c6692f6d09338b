"""buildah and podman with a storage of their own, and images that stand in for those of a registry."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PREPARED = Path(__file__).parents[2] / ".venv" / "containers"
ENTRYPOINT = Path(__file__).with_name("postgres-entrypoint.sh")
PROGRAMS = ("buildah", "podman", "runc")
HOST_FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf")
"""With which pip reaches packages here, and therefore during the build."""
STORAGE = """
[storage]
driver = "vfs"
graphroot = "{folder}/graph"
runroot = "{folder}/run"
"""
# crun needs cgroups of version 2; limits above those of this process cannot be set.
CONFIGURATION = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "{folder}/tmp"
[network]
network_backend = "netavark"
network_config_dir = "{folder}/networks"
"""
BUILD_TIMEOUT_S, RUN_TIMEOUT_S = 900, 300


@dataclass(frozen=True, slots=True)
class Engine:
    """Commands with this storage; each returns what the command prints, or fails the test with it."""

    folder: Path

    def podman(self, *arguments: str, timeout_s: float = RUN_TIMEOUT_S) -> str:
        return self._run("podman", *arguments, timeout_s=timeout_s)

    def try_podman(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """The same, if it may fail."""
        return self._start("podman", *arguments, timeout_s=RUN_TIMEOUT_S)

    def logs(self, name: str) -> str:
        """What a container has printed, and what its health check did."""
        result, health = self.try_podman("logs", "--tail", "20", name), self.try_podman("healthcheck", "run", name)
        return f"{name}: {result.stdout}{result.stderr}{health.stdout}{health.stderr}"

    def compose(self, server: Path, *arguments: str) -> str:
        """Run podman-compose with a server folder's compose.yaml and .env."""
        program = str(PREPARED / "bin" / "podman-compose")
        return self._run(program, "--profile", "postgresql", *arguments, cwd=server)

    def build(self, context: Path, tag: str) -> None:
        """Build a folder's Dockerfile, in a chroot, without pulling anything."""
        volumes = [f"--volume={file}:{file}:ro" for file in HOST_FILES if Path(file).exists()]
        options = ["--isolation", "chroot", "--format", "docker", "--pull-never", "--network", "host", *volumes]
        self._run("buildah", "bud", *options, "--tag", tag, str(context), timeout_s=BUILD_TIMEOUT_S)

    def import_stand_ins(self, server: Path) -> None:
        """Debian's Python, mosquitto and PostgreSQL under the tags that a server folder's files name."""
        (base,) = re.findall(r"^FROM (\S+)", (server / "Dockerfile").read_text(), re.MULTILINE)
        services = yaml.safe_load((server / "compose.yaml").read_text())["services"]
        base, mosquitto, postgresql = (
            f"docker.io/library/{tag}" for tag in (base, services["mosquitto"]["image"], services["database"]["image"])
        )
        self.podman("import", "--quiet", str(PREPARED / "base.tar"), base)
        self.podman("tag", base, mosquitto)
        context = self.folder / "postgresql"
        context.mkdir()
        shutil.copy(ENTRYPOINT, context)
        (context / "Dockerfile").write_text(
            f'FROM {base}\nCOPY {ENTRYPOINT.name} /usr/local/bin/\nENTRYPOINT ["{ENTRYPOINT.name}"]\n'
        )
        self.build(context, postgresql)

    def inspect(self, *names: str) -> Any:
        return yaml.safe_load(self.podman("inspect", *names))  # JSON

    def _run(self, *command: str, timeout_s: float = RUN_TIMEOUT_S, cwd: Path | None = None) -> str:
        result = self._start(*command, timeout_s=timeout_s, cwd=cwd)
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result.stdout

    def _start(self, *command: str, timeout_s: float, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        configuration = {
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
        }
        return subprocess.run(
            command,
            env=os.environ | configuration,
            cwd=cwd or self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )


@contextmanager
def new_engine(folder: Path) -> Iterator[Engine]:
    """An engine with its storage in the folder; all containers, networks and images are removed at the end."""
    (folder / "storage.conf").write_text(STORAGE.format(folder=folder))
    (folder / "containers.conf").write_text(CONFIGURATION.format(folder=folder))
    engine = Engine(folder)
    try:
        yield engine
    finally:
        engine.try_podman("rm", "--all", "--force", "--time", "5")
        engine.try_podman("network", "prune", "--force")
        engine.try_podman("rmi", "--all", "--force")
