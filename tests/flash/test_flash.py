"""The whole product on a Pi's architecture: a card is flashed, its kit installed, its agent's rows arrive over TLS."""

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
from cards import TRIXIE_FILES, check_image, make_image, unpack_image
from collecting import collecting
from emulated import Agent, EmulatedPi, give
from mosquitto import Mosquitto, free_port
from sqlalchemy import Row, text
from steps import documented, run
from waiting import wait_for

from mien.broker.database import open_for_reading
from mien.broker.settings import CollectorSettings
from mien.configuration import load
from mien.deploy.installer import Installation, InstallError, Kit
from mien.deploy.server import ServerFolder

REPOSITORY = Path(__file__).parents[2]
ARM64 = REPOSITORY / ".venv" / "arm64"
SIGHTING = """
# What this Pi sees, without a sensor and a camera: a portrait, ten times a second.
[motion]
kind = "always"
[camera]
kind = "portrait"
path = "{portrait}"
frames_per_second = 2
[reporting]
interval_s = 2
fewest_frames = 1
"""

pytestmark = pytest.mark.skipif(not ARM64.exists(), reason="there is no .venv/arm64: `make test-flash` makes it")


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that also a user without privileges reaches."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def server(place: Path) -> ServerFolder:
    """Made by the README's commands; the device's settings are then edited as its owner would."""
    folder = place / "server"
    run("server init", {"~/server": folder, "mien.example.org": "localhost"}, "--port", str(free_port()))
    assert "error" not in run("server check", {"~/server": folder})
    run("device add", {"~/server": folder})
    shutil.copy(REPOSITORY / "broker" / "portrait.jpg", place / "portrait.jpg")
    with (folder / "devices" / "hallway" / "agent.toml").open("a") as settings:
        settings.write(SIGHTING.format(portrait=place / "portrait.jpg"))
    return ServerFolder(folder)


@pytest.mark.skipif(shutil.which("systemctl") is None, reason="systemd is not installed: make system")
def test_the_server_s_units_start_with_the_system(place: Path, server: ServerFolder) -> None:
    """Under a root of their own, for there is no systemd here to start them."""
    root = place / "of-the-server"
    units = root / "etc" / "systemd" / "system"
    units.mkdir(parents=True)
    copy, enable = (line.removeprefix("sudo ") for line in documented() if line.startswith("sudo "))
    copy = copy.replace("~/server", str(server.path)).replace(" /etc/systemd/system/", f" {units}/")
    subprocess.run(["sh", "-c", copy], check=True)
    subprocess.run(["sh", "-c", enable.replace("enable --now", f"--root={root} enable")], check=True)
    wanted = {file.name for file in (units / "multi-user.target.wants").iterdir()}
    assert wanted == {"mien-broker.service", "mien-collector.service"}


@pytest.fixture(scope="module")
def card(place: Path, server: ServerFolder) -> Path:
    """What is on the card after `mien flash`, with the real packages of a Pi."""
    image, key = make_image(place / "raspios.img", TRIXIE_FILES), place / "id.pub"
    key.write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkE jane@there\n")
    places = {"~/server": server.path, "/media/me/bootfs": image, "~/.ssh/id_ed25519.pub": key}
    run("flash", places, typed="correct horse battery\n")
    check_image(image)
    return unpack_image(image, place / "card")


@pytest.fixture(scope="module")
def pi(place: Path) -> EmulatedPi:
    """Copied to where a user without privileges may run it."""
    shutil.copy(ARM64 / "emulator", place / "emulator")
    for folder in ("etc", "usr"):
        shutil.copytree(ARM64 / "root" / folder, place / "debian" / folder, symlinks=True)
    (place / "debian" / "lib").symlink_to("usr/lib")
    root = place / "root"
    root.mkdir()
    give(root)
    return EmulatedPi(place / "emulator", place / "debian", root)


@pytest.fixture(scope="module")
def kit(place: Path, card: Path) -> Path:
    """The kit as the Pi sees it."""
    kit = place / "kit"
    shutil.copytree(card / "mien", kit)
    give(kit)
    return kit


ASK_CLOUD_INIT = """
import sys
from cloudinit.cmd.main import main
for kind, file in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        main(["cloud-init", "schema", "--config-file", file, "--schema-type", kind])
    except SystemExit as end:
        print(file, "refused" if end.code else "taken")
    else:
        print(file, "taken")
"""
"""cloud-init's own check, with netplan's own parser for networks; in one process, since each starts slowly here."""


def test_cloud_init_takes_the_files_and_no_broken_ones(pi: EmulatedPi, card: Path) -> None:
    asked: list[str | Path] = []
    for name, kind, key in (
        ("user-data", "cloud-config", '"bootcmd"'),
        ("network-config", "network-config", '"regulatory-domain"'),
    ):
        broken = card / f"broken-{name}"
        broken.write_text((card / name).read_text().replace(key, '"imagined"'))
        asked += [kind, card / name, kind, broken]
    give(card)
    told = pi.run("-c", ASK_CLOUD_INIT, *asked)
    verdicts = dict(line.split() for line in told.stdout.splitlines() if line.endswith((" taken", " refused")))
    assert {Path(file).name: verdict for file, verdict in verdicts.items()} == {
        "user-data": "taken",
        "broken-user-data": "refused",
        "network-config": "taken",
        "broken-network-config": "refused",
    }, told.stdout + told.stderr


def test_a_flashed_pi_installs_itself_and_its_observations_reach_the_log(
    pi: EmulatedPi, kit: Path, server: ServerFolder
) -> None:
    told = pi.run(kit / "installer.py", "--root", pi.root)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("hallway has release ")
    assert not (kit / "device" / "device.key").exists()
    _settle_in(pi)
    broker = Mosquitto(server.path / "broker" / "mosquitto.conf", server.server.port).start()
    settings = load(server.path / "collector" / "collector.toml", CollectorSettings)
    with Agent(pi) as agent, collecting(settings):
        try:
            assert agent.restart(), agent.log.read_text()
            wait_for(lambda: len(_rows(settings.database)) >= 3, timeout_s=120)
            seen = _rows(settings.database)
            assert {row.device for row in seen} == {"hallway"}
            assert {row.emotion for row in seen} == {"happy"}
            told = run("query", {"~/server": server.path}, "--json")
            assert {row["device"] for row in json.loads(told)} == {"hallway"}
            agent.remove()
            assert "XNNPACK" in agent.log.read_text()
        finally:
            broker.stop()
            print(agent.log.read_text())


def test_a_packed_kit_upgrades_it_and_keeps_its_settings(pi: EmulatedPi, place: Path, server: ServerFolder) -> None:
    run("device pack", {"~/server": server.path}, "--to", str(place / "mien-hallway.tar"))
    (remote,) = [line for line in documented() if line.startswith("scp ")]
    assert remote == "scp mien-hallway.tar pi@hallway: && rm mien-hallway.tar"
    (remote,) = [line for line in documented() if line.startswith("ssh ")]
    unpack, clean, install = shlex.split(remote)[-1].split(" && ")
    assert unpack == "tar xf mien-hallway.tar"
    assert install == "sudo mien-hallway/install.sh"
    for step in (unpack, clean):
        subprocess.run(shlex.split(step), cwd=place, check=True)
    assert not (place / "mien-hallway.tar").exists()
    give(place / "mien-hallway")
    settings = (pi.root / "etc" / "mien" / "agent.toml").read_text()
    told = pi.run(place / "mien-hallway" / "installer.py", "--root", pi.root)
    assert told.returncode == 0, told.stderr
    assert "your agent.toml stays" in told.stdout  # _settle_in has edited it
    assert (pi.root / "etc" / "mien" / "agent.toml").read_text() == settings


def test_a_release_that_cannot_run_gives_way_to_the_one_before(
    pi: EmulatedPi, card: Path, place: Path, server: ServerFolder
) -> None:
    """Here the installer runs on this machine, so that it can be handed a supervisor; the agent runs on the Pi."""
    bad = place / "bad"
    shutil.copytree(card / "mien", bad)
    wheel = next(bad.glob("*.whl"))
    with zipfile.ZipFile(wheel, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("mien/edge/agent.py", "raise RuntimeError('a release that nobody tried')\n")
    manifest = json.loads((bad / "manifest.json").read_text())
    manifest |= {"release": "bad", "machine": platform.machine(), "python": ".".join(map(str, sys.version_info[:2]))}
    manifest["files"][wheel.name] = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (bad / "manifest.json").write_text(json.dumps(manifest))
    with Agent(pi) as agent:
        installation = Installation(pi.root, agent)
        good = installation.release
        assert agent.restart()
        with pytest.raises(InstallError, match=f"release bad did not get ready .*: {good} is back"):
            installation.install(Kit(bad))
        assert "a release that nobody tried" in agent.log.read_text()
        assert agent.log.read_text().count("mien.edge: model") == 2  # it ran before, and runs again
        assert installation.release == good


def _rows(database: str) -> Sequence[Row[tuple[str, str]]]:
    with open_for_reading(database).connect() as log:
        return log.execute(text("SELECT device, emotion FROM emotion_log")).all()


def _settle_in(pi: EmulatedPi) -> None:
    """Settings name places of a whole system; here they are under the Pi's root, and nothing sets its clock."""
    file = pi.root / "etc" / "mien" / "agent.toml"
    above = f'clock_wait_s = 0\noutbox = "{pi.root}/var/lib/mien/outbox.db"\n'
    file.write_text(above + file.read_text().replace('"/etc/mien', f'"{pi.root}/etc/mien'))
    if os.geteuid() == 0:
        give(pi.root / "etc")
