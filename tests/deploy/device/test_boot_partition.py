"""A mounted SD card and an image file behave alike, and anything else is refused with a reason."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sd_cards import TRIXIE_FILES, check_boot_partition, create_sd_card_image, unpack_boot_partition

from mien.deploy.device.boot_partition import BootPartition, open_boot_partition
from mien.errors import DataError, MienError, UsageError

pytestmark = pytest.mark.skipif(shutil.which("mformat") is None, reason="mtools is not installed: make system")
SdCard = tuple[BootPartition, Callable[[], dict[str, bytes]]]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(params=["mounted", "image"])
def sd_card(request: pytest.FixtureRequest, tmp_path: Path) -> SdCard:
    """The boot partition of Raspberry Pi OS, and a function that returns its current files."""
    if request.param == "mounted":
        mounted = write_files(tmp_path / "bootfs", TRIXIE_FILES)
        return open_boot_partition(mounted), lambda: contents(mounted)
    image = create_sd_card_image(tmp_path / "raspios.img", TRIXIE_FILES, mebibytes=40)

    def image_contents() -> dict[str, bytes]:
        check_boot_partition(image)
        unpacked = tmp_path / "unpacked"
        shutil.rmtree(unpacked, ignore_errors=True)
        return contents(unpack_boot_partition(image, unpacked))

    return open_boot_partition(image), image_contents


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_it_reads_the_files_that_exist(sd_card: SdCard) -> None:
    partition, _ = sd_card
    assert partition.read("cmdline.txt") == TRIXIE_FILES["cmdline.txt"]
    assert partition.read("mien/manifest.json") is None
    assert partition.read("nothing") is None


def test_files_replace_files_folders_replace_folders_and_the_rest_stays(sd_card: SdCard, tmp_path: Path) -> None:
    partition, current_files = sd_card
    files = {"bundle/old.txt": b"1", "bundle/in/deep.txt": b"2", "user-data": b"3"}
    partition.write(write_files(tmp_path / "a", files))
    files = {"bundle/new long name.txt": b"4" * 100_000, "user-data": b"5"}
    partition.write(write_files(tmp_path / "b", files))
    assert current_files() == TRIXIE_FILES | files


def test_it_reports_its_free_space(sd_card: SdCard) -> None:
    partition, _ = sd_card
    assert partition.has_room_for(1_000_000)
    assert not partition.has_room_for(10**16)


def test_an_image_without_room_is_recognized_before_anything_is_written(tmp_path: Path) -> None:
    partition = open_boot_partition(create_sd_card_image(tmp_path / "small.img", TRIXIE_FILES, mebibytes=40))
    assert not partition.has_room_for(38_000_000)


def test_an_sd_card_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    image = create_sd_card_image(tmp_path / "full.img", TRIXIE_FILES, mebibytes=34)
    folder = write_files(tmp_path / "a", {"bundle/large": b"x" * 40_000_000})
    with pytest.raises(DataError, match=r"full\.img cannot be written"):
        open_boot_partition(image).write(folder)


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("nowhere.img", None, UsageError, "does not exist: name the folder where the SD card is mounted"),
        ("notes.img", b"hello", DataError, "has no boot partition"),
        ("empty.img", b"", DataError, "has no boot partition"),
        ("table.img", bytes(510) + b"\x55\xaa", DataError, "has no boot partition"),
    ],
)
def test_what_is_not_an_sd_card_is_refused(
    tmp_path: Path, name: str, content: bytes | None, error: type[MienError], message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message):
        open_boot_partition(tmp_path / name)


def test_a_truncated_image_is_refused(tmp_path: Path) -> None:
    image = create_sd_card_image(tmp_path / "cut.img", TRIXIE_FILES, mebibytes=40)
    with image.open("rb+") as file:
        file.truncate(20_000_000)
    with pytest.raises(DataError, match="ends within its boot partition: download it again"):
        open_boot_partition(image)


def test_a_whole_disk_is_never_written_to() -> None:
    disks = [path for path in Path("/dev").iterdir() if path.is_block_device()]
    if not disks:
        pytest.skip("this machine has no block device")
    with pytest.raises(UsageError, match="a whole disk, which mien never writes to"):
        open_boot_partition(disks[0])


def test_a_link_on_a_mounted_sd_card_is_not_followed(tmp_path: Path) -> None:
    outside = write_files(tmp_path / "outside", {"manifest.json": b"{}", "user-data": b"mine"})
    sd_card = write_files(tmp_path / "bootfs", TRIXIE_FILES)
    (sd_card / "mien").symlink_to(outside)
    (sd_card / "user-data").unlink()
    (sd_card / "user-data").symlink_to(outside / "user-data")
    partition = open_boot_partition(sd_card)
    with pytest.raises(DataError, match=r"mien/manifest\.json is a link"):
        partition.read("mien/manifest.json")
    for name in ("mien/manifest.json", "user-data"):
        with pytest.raises(DataError, match="is a link"):
            partition.write(write_files(tmp_path / name, {name: b"new"}))
    assert contents(outside) == {"manifest.json": b"{}", "user-data": b"mine"}


def test_a_machine_s_own_boot_partition_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    firmware = write_files(tmp_path / "firmware", TRIXIE_FILES).resolve()
    monkeypatch.setattr("mien.deploy.device.boot_partition.OWN_BOOT_PARTITIONS", (firmware,))
    (tmp_path / "link").symlink_to("firmware")
    for name in ("firmware", "link"):
        with pytest.raises(UsageError, match="this machine boots from"):
            open_boot_partition(tmp_path / name)
