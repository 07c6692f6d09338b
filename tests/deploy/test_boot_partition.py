"""A mounted card and an image file behave alike, and what is neither is named."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cards import TRIXIE_FILES, check_image, make_image, unpack_image

from mien.deploy.boot_partition import BootPartition, open_partition
from mien.errors import DataError, MienError, UsageError

pytestmark = pytest.mark.skipif(shutil.which("mformat") is None, reason="mtools is not installed: make system")
Card = tuple[BootPartition, Callable[[], dict[str, bytes]]]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(params=["mounted", "image"])
def card(request: pytest.FixtureRequest, tmp_path: Path) -> Card:
    """A card of Raspberry Pi OS, and what is on it now."""
    if request.param == "mounted":
        mounted = tmp_path / "bootfs"
        mounted.mkdir()
        for name, content in TRIXIE_FILES.items():
            (mounted / name).write_bytes(content)
        return open_partition(mounted), lambda: contents(mounted)
    image = make_image(tmp_path / "raspios.img", TRIXIE_FILES, mebibytes=40)

    def unpacked() -> dict[str, bytes]:
        check_image(image)
        place = tmp_path / "unpacked"
        shutil.rmtree(place, ignore_errors=True)
        return contents(unpack_image(image, place))

    return open_partition(image), unpacked


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_it_gives_the_files_that_are_there(card: Card) -> None:
    partition, _ = card
    assert partition.read("cmdline.txt") == TRIXIE_FILES["cmdline.txt"]
    assert partition.read("mien/manifest.json") is None
    assert partition.read("nothing") is None


def test_files_replace_files_folders_replace_folders_and_the_rest_stays(card: Card, tmp_path: Path) -> None:
    partition, there = card
    partition.put(write(tmp_path / "a", {"kit/old.txt": b"1", "kit/in/deep.txt": b"2", "user-data": b"3"}))
    partition.put(write(tmp_path / "b", {"kit/new long name.txt": b"4" * 100_000, "user-data": b"5"}))
    assert there() == TRIXIE_FILES | {"kit/new long name.txt": b"4" * 100_000, "user-data": b"5"}


def test_it_knows_its_room(card: Card) -> None:
    partition, _ = card
    assert partition.has_room_for(1_000_000)
    assert not partition.has_room_for(10**16)


def test_an_image_without_room_says_so_before_anything_is_written(tmp_path: Path) -> None:
    partition = open_partition(make_image(tmp_path / "small.img", TRIXIE_FILES, mebibytes=40))
    assert not partition.has_room_for(38_000_000)


def test_a_card_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    image = make_image(tmp_path / "full.img", TRIXIE_FILES, mebibytes=34)
    folder = write(tmp_path / "a", {"kit/large": b"x" * 40_000_000})
    with pytest.raises(DataError, match=r"full\.img cannot be written"):
        open_partition(image).put(folder)


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("nowhere.img", None, UsageError, "is not there: name the folder where the card is mounted"),
        ("raspios.img.xz", b"\xfd7zXZ", UsageError, "is compressed: unpack it first"),
        ("notes.img", b"hello", DataError, "has no boot partition"),
        ("empty.img", b"", DataError, "has no boot partition"),
        ("table.img", bytes(510) + b"\x55\xaa", DataError, "has no boot partition"),
    ],
)
def test_what_is_no_card_is_named(
    tmp_path: Path, name: str, content: bytes | None, error: type[MienError], message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message):
        open_partition(tmp_path / name)


def test_an_image_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    image = make_image(tmp_path / "cut.img", TRIXIE_FILES, mebibytes=40)
    with image.open("rb+") as file:
        file.truncate(20_000_000)
    with pytest.raises(DataError, match="ends within its boot partition: get it again"):
        open_partition(image)


def test_a_whole_disk_is_never_written_to() -> None:
    disks = [disk for disk in Path("/dev").iterdir() if disk.is_block_device()]
    if not disks:
        pytest.skip("this machine shows no block device")
    with pytest.raises(UsageError, match="a whole disk, which mien never writes to"):
        open_partition(disks[0])


def test_a_link_on_a_mounted_card_is_not_followed(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"manifest.json": b"{}", "user-data": b"mine"})
    card = write(tmp_path / "card", TRIXIE_FILES)
    (card / "mien").symlink_to(outside)
    (card / "user-data").unlink()
    (card / "user-data").symlink_to(outside / "user-data")
    partition = open_partition(card)
    with pytest.raises(DataError, match=r"mien/manifest\.json is a link"):
        partition.read("mien/manifest.json")
    for name in ("mien/manifest.json", "user-data"):
        with pytest.raises(DataError, match="is a link"):
            partition.put(write(tmp_path / name, {name: b"new"}))
    assert contents(outside) == {"manifest.json": b"{}", "user-data": b"mine"}


def test_a_machine_s_own_boot_partition_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.deploy.boot_partition.RUNNING", (write(tmp_path / "firmware", TRIXIE_FILES).resolve(),))
    (tmp_path / "link").symlink_to("firmware")
    for place in ("firmware", "link"):
        with pytest.raises(UsageError, match="is what this machine starts from"):
            open_partition(tmp_path / place)
