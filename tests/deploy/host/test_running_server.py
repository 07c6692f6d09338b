"""An installed server really runs: this mien as a release, its units' own commands, mosquitto, and a device's row."""

import contextlib
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from bundles import OwnAccount
from device_settings import device_mqtt_settings
from mosquitto import free_port
from samples import make_draft
from unit_sandbox import sandboxed

from mien.broker.query.emotion_log import EmotionLog
from mien.deploy.host.installation import Installation
from mien.deploy.host.layout import Layout
from mien.deploy.host.release import RunningRelease
from mien.deploy.server.folder import ServerFolder
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.edge.delivery.publisher import Publisher
from mien.errors import MienError

pytestmark = pytest.mark.service


class ProcessServices:
    """Starts the commands of units as processes, under their units' filters of system calls."""

    def __init__(self, units: Path) -> None:
        self._units = units
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def enable(self, units: Sequence[str]) -> None:
        pass

    def disable(self, units: Sequence[str]) -> None:
        pass

    def reload(self) -> None:
        pass

    def restart(self, units: Sequence[str]) -> None:
        self.stop(units)
        for unit in units:
            text = (self._units / unit).read_text()
            (command,) = (
                line.removeprefix("ExecStart=") for line in text.splitlines() if line.startswith("ExecStart=")
            )
            with self._units.parent.joinpath(f"{unit}.log").open("ab") as output:
                self._processes[unit] = subprocess.Popen(
                    sandboxed(text, shlex.split(command)), cwd="/", stdout=output, stderr=output
                )

    def stop(self, units: Sequence[str]) -> None:
        for unit in units:
            if (process := self._processes.pop(unit, None)) is not None:
                process.terminate()
                process.wait(30)

    def state(self, unit: str) -> str:
        process = self._processes.get(unit)
        return "inactive" if process is None else "active" if process.poll() is None else "failed"

    def close(self) -> None:
        self.stop(list(self._processes))


@pytest.fixture
def services(layout: Layout) -> Iterator[ProcessServices]:
    with contextlib.closing(ProcessServices(layout.units)) as services:
        yield services


@pytest.mark.skipif(shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin") is None, reason="make system")
@pytest.mark.timeout(600)  # a busy machine compares the files of some forty packages and starts Python many times
def test_a_device_s_row_reaches_the_log_of_an_installed_server(
    server: ServerFolder, layout: Layout, services: ProcessServices, tmp_path: Path
) -> None:
    account = OwnAccount()
    dashboard = server.path / "dashboard" / "dashboard.toml"
    dashboard.write_text(dashboard.read_text().replace("port = 8501", f"port = {free_port()}"))
    host = Installation(layout, account, services)
    release = RunningRelease(account=account.name, optional=("dashboard",))
    result = host.install(release, server.path)
    assert result.units == ["mien-mosquitto.service", "mien-collector.service", "mien-dashboard.service"]
    installed = ServerFolder(layout.data)
    installed.add("porch")
    clock = Clock("trusted")
    with Outbox(tmp_path / "outbox.db", device="porch") as outbox:
        outbox.append(make_draft(device="porch"), clock.now())
        mqtt = device_mqtt_settings(installed, "porch")
        with Publisher(mqtt, device="porch", model_id="0123456789ab", outbox=outbox, clock=clock) as publisher:
            assert publisher.drain(60)
    log = EmotionLog(str(layout.data / "collector" / "data" / "mien.db"))
    assert [row.device for row in log.observations()] == ["porch"]

    version = subprocess.run([layout.command, "--version"], capture_output=True, text=True, check=True, cwd="/")
    assert version.stdout.startswith("mien ")
    where = "import mien, sqlalchemy; print(mien.__file__, sqlalchemy.__file__)"
    python = layout.current / "bin" / "python"
    paths = subprocess.run([python, "-P", "-c", where], capture_output=True, text=True, check=True, cwd="/").stdout
    assert all(path.startswith(str(layout.home)) for path in paths.split())
    assert not [file for file in layout.releases.rglob("*") if not file.is_symlink() and file.stat().st_mode & 0o022]

    broken = layout.data / "collector" / "collector.toml"
    broken.write_text(f"{broken.read_text()}\nnonsense = 1\n")
    with pytest.raises(MienError, match=r"mien-collector\.service of release .* did not become ready"):
        host.install(release)
    assert "nonsense" in (layout.units.parent / "mien-collector.service.log").read_text()
