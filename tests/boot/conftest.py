"""A server folder, a flashed card and a running server for the tests that boot a whole Pi."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from boot_card import BootCard
from mosquitto import Mosquitto, free_port
from running_collector import running_collector
from steps import run_documented
from virtual_pi import HOST_ADDRESS

from mien.broker.settings import CollectorSettings
from mien.deploy.server.folder import ServerFolder
from mien.settings.load import load_settings

FOLDER = Path(__file__).parent
SYSTEM = FOLDER.parents[1] / ".venv" / "boot"
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
WITHOUT_TIME_SERVER = "# No time server can be reached: observations need not wait for one.\nclock_wait_s = 5\n"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give emulated boots the time they need, and leave them out of `make test`."""
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.boot)
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="session")
def system() -> Path:
    """What prepare.sh made: kernel, initrd and root file system. Skips the test if something is missing."""
    if shutil.which("qemu-system-aarch64") is None:
        pytest.skip("qemu-system-aarch64 is not installed: make system-all")
    recipe = SYSTEM / "recipe"
    if not recipe.exists() or recipe.read_text().split()[0] != _checksum(FOLDER / "prepare.sh"):
        pytest.skip("the Pi's system is not built, or by an older prepare.sh: make .venv/boot/recipe, as root")
    return SYSTEM


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder with a short path, for sockets, and room for images."""
    with tempfile.TemporaryDirectory(prefix="mien-boot-") as name:
        yield Path(name)


@pytest.fixture
def server(folder: Path, system: Path) -> Iterator[ServerFolder]:
    """Made with the documented commands, with a device; its MQTT broker and its collector run."""
    path = folder / "server"
    names = ("--hostname", "localhost")  # the collector's, on this machine
    replacements: dict[str, Path | str] = {"~/server": path, "mien.example.org": HOST_ADDRESS}
    run_documented("server init", replacements, *names, "--port", str(free_port()))
    run_documented("device add", {"~/server": path})
    settings_file = path / "devices" / "hallway" / "agent.toml"
    settings_file.write_text(WITHOUT_TIME_SERVER + settings_file.read_text() + DEMO_SETTINGS)
    collector_file = path / "collector" / "collector.toml"
    collector_file.write_text(collector_file.read_text().replace(HOST_ADDRESS, "localhost"))
    server = ServerFolder(path)
    broker = Mosquitto(path / "mosquitto" / "mosquitto.conf", server.server.port).start()
    try:
        with running_collector(load_settings(collector_file, CollectorSettings)):
            yield server
    finally:
        broker.stop()


@pytest.fixture
def card(folder: Path, system: Path, server: ServerFolder) -> BootCard:
    """A card with Raspberry Pi OS's layout, flashed with the documented command."""
    card = BootCard.create(folder / "raspios.img", system / "root.ext4")
    key = folder / "id.pub"
    key.write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFn0wF2uGCRHTMy3hKnWdUyS6gA0jD2ecPvVUHT1SHkE jane@laptop\n")
    replacements = {"~/server": server.path, "/media/me/bootfs": card.image, "~/.ssh/id_ed25519.pub": key}
    run_documented("flash", replacements, stdin="correct horse battery\n")
    return card


def _checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
