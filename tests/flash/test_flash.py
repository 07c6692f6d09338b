"""The whole product on a Pi's architecture: flash an SD card, install its bundle, receive its agent's rows over TLS."""

import hashlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from emulated_pi import EmulatedPi, EmulatedService, chown_to_unprivileged_user
from mosquitto import Mosquitto, free_port
from polling import wait_for
from running_collector import running_collector
from sd_cards import TRIXIE_FILES, check_boot_partition, create_sd_card_image, unpack_boot_partition
from sqlalchemy import Row, text
from steps import documented_lines, run_documented

from mien.broker.database.engine import open_for_reading
from mien.broker.settings import CollectorSettings
from mien.deploy.installer.bundle import Bundle
from mien.deploy.installer.errors import InstallError
from mien.deploy.installer.installation import Installation
from mien.deploy.server.folder import ServerFolder
from mien.settings.load import load_settings

REPOSITORY = Path(__file__).parents[2]
ARM64 = REPOSITORY / ".venv" / "arm64"
DEMO_SETTINGS = """
# This Pi has no sensor and no camera: it sees a portrait all the time.
[motion]
kind = "always"
[camera]
kind = "demo"
frames_per_second = 2
[reporting]
interval_s = 2
min_frames = 1
"""

pytestmark = pytest.mark.skipif(not ARM64.exists(), reason="there is no .venv/arm64: `make test-flash` creates it")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A temporary folder that unprivileged users can access."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def server(folder: Path) -> ServerFolder:
    """Made with the documented commands; then the device's settings are edited, as a user would."""
    path = folder / "server"
    replacements: dict[str, Path | str] = {"~/server": path, "mien.example.org": "localhost"}
    run_documented("server init", replacements, "--port", str(free_port()))
    assert "error" not in run_documented("server check", {"~/server": path})
    run_documented("device add", {"~/server": path})
    with (path / "devices" / "hallway" / "agent.toml").open("a") as settings:
        settings.write(DEMO_SETTINGS)
    return ServerFolder(path)


@pytest.mark.skipif(shutil.which("systemctl") is None, reason="systemd is not installed: make system")
def test_the_server_s_units_start_with_the_system(folder: Path, server: ServerFolder) -> None:
    """Under another root, because no systemd runs here that could start them."""
    root = folder / "server-root"
    units = root / "etc" / "systemd" / "system"
    units.mkdir(parents=True)
    by_hand = ("sudo install ", "sudo systemctl ")
    copy, enable = (line.removeprefix("sudo ") for line in documented_lines() if line.startswith(by_hand))
    copy = copy.replace("~/server", str(server.path)).replace(" /etc/systemd/system/", f" {units}/")
    subprocess.run(["sh", "-c", copy], check=True)
    subprocess.run(["sh", "-c", enable.replace("enable --now", f"--root={root} enable")], check=True)
    enabled = {file.name for file in (units / "multi-user.target.wants").iterdir()}
    assert enabled == {"mien-mosquitto.service", "mien-collector.service"}


@pytest.fixture(scope="module")
def sd_card(folder: Path, server: ServerFolder) -> Path:
    """The content of the SD card after `mien flash`, with the real packages of a Pi."""
    image, key = create_sd_card_image(folder / "raspios.img", TRIXIE_FILES), folder / "id.pub"
    key.write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkE jane@laptop\n")
    replacements = {
        "~/server": server.path,
        "/media/me/bootfs": image,
        "~/.ssh/id_ed25519.pub": key,
    }
    run_documented("flash", replacements, stdin="correct horse battery\n")
    check_boot_partition(image)
    return unpack_boot_partition(image, folder / "sd-card")


@pytest.fixture(scope="module")
def pi(folder: Path) -> EmulatedPi:
    """Copied to where an unprivileged user can run it."""
    shutil.copy(ARM64 / "emulator", folder / "emulator")
    for name in ("etc", "usr"):
        shutil.copytree(ARM64 / "root" / name, folder / "debian" / name, symlinks=True)
    (folder / "debian" / "lib").symlink_to("usr/lib")
    root = folder / "root"
    root.mkdir()
    chown_to_unprivileged_user(root)
    return EmulatedPi(folder / "emulator", folder / "debian", root)


@pytest.fixture(scope="module")
def bundle(folder: Path, sd_card: Path) -> Path:
    """The bundle as the Pi sees it."""
    bundle = folder / "bundle"
    shutil.copytree(sd_card / "mien", bundle)
    chown_to_unprivileged_user(bundle)
    return bundle


CLOUD_INIT_CHECK = """
import sys
from cloudinit.cmd.main import main
for kind, file in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        main(["cloud-init", "schema", "--config-file", file, "--schema-type", kind])
    except SystemExit as end:
        print(file, "rejected" if end.code else "accepted")
    else:
        print(file, "accepted")
"""
"""cloud-init's own check, with netplan's parser for networks; in one process, because each takes long to start here."""


def test_cloud_init_accepts_the_files_and_rejects_broken_ones(pi: EmulatedPi, sd_card: Path) -> None:
    arguments: list[str | Path] = []
    for name, kind, key in (
        ("user-data", "cloud-config", '"bootcmd"'),
        ("network-config", "network-config", '"regulatory-domain"'),
    ):
        broken = sd_card / f"broken-{name}"
        broken.write_text((sd_card / name).read_text().replace(key, '"imagined"'))
        arguments += [kind, sd_card / name, kind, broken]
    chown_to_unprivileged_user(sd_card)
    result = pi.run("-c", CLOUD_INIT_CHECK, *arguments)
    verdicts = dict(line.split() for line in result.stdout.splitlines() if line.endswith((" accepted", " rejected")))
    assert {Path(file).name: verdict for file, verdict in verdicts.items()} == {
        "user-data": "accepted",
        "broken-user-data": "rejected",
        "network-config": "accepted",
        "broken-network-config": "rejected",
    }, result.stdout + result.stderr


def test_a_flashed_pi_installs_itself_and_its_observations_reach_the_log(
    pi: EmulatedPi, bundle: Path, server: ServerFolder
) -> None:
    result = pi.run_installer(bundle)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("hallway: installed release ")
    assert not (bundle / "device" / "device.key").exists()
    _relocate_settings(pi)
    broker = Mosquitto(server.path / "mosquitto" / "mosquitto.conf", server.server.port).start()
    settings = load_settings(server.path / "collector" / "collector.toml", CollectorSettings)
    with EmulatedService(pi) as service, running_collector(settings):
        try:
            assert service.restart(), service.log.read_text()
            wait_for(lambda: len(_read_rows(settings.database)) >= 3, timeout_s=120)
            rows = _read_rows(settings.database)
            assert {row.device for row in rows} == {"hallway"}
            assert {row.emotion for row in rows} == {"happy"}
            output = run_documented("query", {"~/server": server.path}, "--json")
            assert {row["device"] for row in json.loads(output)} == {"hallway"}
            service.remove()
            assert "XNNPACK" in service.log.read_text()
        finally:
            broker.stop()
            print(service.log.read_text())


def test_a_packed_bundle_upgrades_it_and_keeps_its_settings(pi: EmulatedPi, folder: Path, server: ServerFolder) -> None:
    run_documented("device pack", {"~/server": server.path}, "--output", str(folder / "mien-hallway.tar"))
    (line,) = [line for line in documented_lines() if line.startswith("scp ")]
    assert line == "scp mien-hallway.tar pi@hallway: && rm mien-hallway.tar"
    (line,) = [line for line in documented_lines() if line.startswith("ssh ")]
    unpack, clean, install = shlex.split(line)[-1].split(" && ")
    assert unpack == "tar xf mien-hallway.tar"
    assert install == "sudo mien-hallway/install.sh"
    for step in (unpack, clean):
        subprocess.run(shlex.split(step), cwd=folder, check=True)
    assert not (folder / "mien-hallway.tar").exists()
    chown_to_unprivileged_user(folder / "mien-hallway")
    settings = (pi.root / "etc" / "mien" / "agent.toml").read_text()
    result = pi.run_installer(folder / "mien-hallway")
    assert result.returncode == 0, result.stderr
    assert "kept your agent.toml" in result.stdout  # _relocate_settings has edited it
    assert (pi.root / "etc" / "mien" / "agent.toml").read_text() == settings


def test_a_release_that_cannot_run_is_rolled_back(pi: EmulatedPi, sd_card: Path, folder: Path) -> None:
    """Here the installer runs on this machine, so that it can be given a service; the agent runs on the Pi."""
    bad = folder / "bad"
    shutil.copytree(sd_card / "mien", bad)
    wheel = next(bad.glob("*.whl"))
    with zipfile.ZipFile(wheel, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("mien/edge/agent.py", "raise RuntimeError('an untested release')\n")
    manifest = json.loads((bad / "manifest.json").read_text())
    manifest |= {"release": "bad", "machine": platform.machine(), "python": ".".join(map(str, sys.version_info[:2]))}
    manifest["files"][wheel.name] = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (bad / "manifest.json").write_text(json.dumps(manifest))
    with EmulatedService(pi) as service:
        installation = Installation(pi.root, service)
        good = installation.release
        assert service.restart()
        with pytest.raises(InstallError, match=f"release bad did not become ready .*: restored release {good}"):
            installation.install(Bundle(bad))
        assert "an untested release" in service.log.read_text()
        assert service.log.read_text().count("mien.edge: model") == 2  # it ran before, and runs again
        assert installation.release == good


def _read_rows(database: str) -> Sequence[Row[tuple[str, str]]]:
    with open_for_reading(database).connect() as log:
        return log.execute(text("SELECT device, emotion FROM emotion_log")).all()


def _relocate_settings(pi: EmulatedPi) -> None:
    """Put the settings' paths under the Pi's root, and do not wait for its clock, which nothing sets."""
    file = pi.root / "etc" / "mien" / "agent.toml"
    header = f'clock_wait_s = 0\noutbox = "{pi.root}/var/lib/mien/outbox.db"\n'
    file.write_text(header + file.read_text().replace('"/etc/mien', f'"{pi.root}/etc/mien'))
    if os.geteuid() == 0:
        chown_to_unprivileged_user(pi.root / "etc")
