"""The blocks of each page, run in order as a reader would."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import yaml
from code_blocks import DOCUMENTS, ROOT, read_blocks
from face_scenes import Scene
from mosquitto import free_port
from postgresql import reading_url
from scenario import SQL, Scenario, record_now, run_sql
from sd_cards import TRIXIE_FILES, write_stub_packages
from visits import record_visits

from mien.broker.ingest.home_assistant import HomeAssistant
from mien.broker.query import EmotionLog
from mien.deploy.raspberry_pi_os import BOOKWORM, TRIXIE
from mien.emotions import EMOTIONS
from mien.messages.status import DeviceStatus, encode_device_status
from mien.messages.topics import Topics

PAGES = [
    document
    for document in DOCUMENTS
    if any(block.is_run_with_its_page for block in read_blocks(document)) and document.name != "training.md"
]


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scenario]:
    """A home folder with what the pages take for granted: a log, a clip, settings, an SD card, a public key."""
    log = tmp_path / "mien.db"
    record_visits(log)
    (tmp_path / "visits").mkdir()
    (tmp_path / "visits" / "mien.db").write_bytes(log.read_bytes())
    record_now(log, "happy", "surprise")
    write_faces(tmp_path)
    (tmp_path / "agent.toml").write_text('device = "hallway"\n')
    bootfs = tmp_path / "bootfs"
    bootfs.mkdir()
    for name, content in TRIXIE_FILES.items():
        (bootfs / name).write_bytes(content)
    for os_release in (TRIXIE, BOOKWORM):
        write_stub_packages(os_release, tmp_path / "cache" / "mien")
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkE jane@laptop\n")
    (tmp_path / "passphrase").write_text("correct horse battery\n")
    (tmp_path / "deploy" / "server").mkdir(parents=True)
    metadata = ROOT / "deploy" / "server" / "datasette.yaml"
    (tmp_path / "deploy" / "server" / "datasette.yaml").write_bytes(metadata.read_bytes())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    added = {
        "mien server init": f"--port {free_port()}",
        "mien flash": "--wifi-password-file passphrase",
        "mien dashboard": "--port 0",
    }
    with Scenario(tmp_path, log=log, replaced={"/media/me/bootfs": str(bootfs)}, added=added) as scenario:
        yield scenario


def write_faces(folder: Path) -> None:
    """A clip of two seconds, and folders of images, with a face that moves."""
    for name in ("images", "photos", "photos/2026"):
        (folder / name).mkdir()
    frames = [Scene().add(200 + 4 * step, 100).frame for step in range(20)]
    for name in ("images/first.png", "photos/2026/second.png"):
        assert cv2.imwrite(str(folder / name), frames[0])
    clip = cv2.VideoWriter(str(folder / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (640, 480))
    for frame in frames:
        clip.write(frame)
    clip.release()


@pytest.mark.service
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_the_page_run(page: Path, scenario: Scenario) -> None:
    for block in read_blocks(page):
        if block.is_run_with_its_page:
            scenario.run(block)


def test_the_sql_of_the_documents_runs_on_both_databases(log: str) -> None:
    record_now(log, "happy", "surprise")
    blocks = [block for page in DOCUMENTS for block in read_blocks(page) if block.language in SQL]
    assert len(blocks) >= 2
    with EmotionLog(reading_url(log)) as emotion_log:
        for block in blocks:
            run_sql(emotion_log, block.text)


def test_the_entities_of_home_assistant_are_those_that_it_discovers() -> None:
    (block,) = (block for block in read_blocks(ROOT / "docs" / "queries.md") if block.language == "yaml")
    (message,) = HomeAssistant("homeassistant", Topics()).announce_device(
        "hallway", encode_device_status(DeviceStatus(state="online", agent="0.1.0", model="0123456789ab"))
    )
    components = yaml.safe_load(message.payload)["components"].values()
    entities = {
        f"{component['platform']}.hallway_{component['name'].lower().replace(' ', '_')}"
        for component in components
        if "name" in component
    }
    (automation,) = yaml.safe_load(block.text)["automation"]
    for part in (*automation["triggers"], *automation["conditions"]):
        assert part["entity_id"] in entities
    assert automation["triggers"][0]["to"] in EMOTIONS
