"""Images of cards with a boot partition like that of Raspberry Pi OS, and small packages to put on them."""

import io
import struct
import subprocess
import tarfile
from pathlib import Path

from mien.deploy.packages import archive_name
from mien.deploy.raspberry_pi_os import Release

BEGIN_SECTOR = 16384
ISSUE = b"Raspberry Pi reference 2025-12-04\nGenerated using pi-gen, https://github.com/RPi-Distro/pi-gen, stage2\n"
KERNEL = b"console=serial0,115200 console=tty1 root=PARTUUID=8b6a-02 rootfstype=ext4 fsck.repair=yes rootwait\n"
BOOKWORM_FILES = {"issue.txt": ISSUE, "config.txt": b"arm_64bit=1\n", "cmdline.txt": KERNEL}
TRIXIE_FILES = BOOKWORM_FILES | {
    "user-data": b"#cloud-config\n",
    "meta-data": b"dsmode: local\ninstance_id: rpios-image\n",
    "network-config": b"network:\n  version: 2\n",
}


def make_image(path: Path, files: dict[str, bytes], *, mebibytes: int = 300) -> Path:
    """A card's image: a partition table, a FAT32 partition with these files, and a Linux partition behind it."""
    sectors = mebibytes * 2048
    fat = struct.pack("<B3sB3sII", 0, b"", 0x0C, b"", BEGIN_SECTOR, sectors)
    linux = struct.pack("<B3sB3sII", 0, b"", 0x83, b"", BEGIN_SECTOR + sectors, 8192)
    with path.open("wb") as image:
        image.truncate((BEGIN_SECTOR + sectors + 8192) * 512)
        image.seek(446)
        image.write(fat + linux)
        image.seek(510)
        image.write(b"\x55\xaa")
    partition = ["-i", f"{path}@@{BEGIN_SECTOR * 512}"]
    # without -v, whose name fsck finds to be another than that of the root folder
    subprocess.run(["mformat", *partition, "-F", "-T", str(sectors), "-h", "64", "-s", "32", "::"], check=True)
    for name, content in files.items():
        subprocess.run(["mcopy", *partition, "-", f"::/{name}"], input=content, check=True)
    return path


def unpack_image(image: Path, folder: Path) -> Path:
    """All files of its boot partition, in a new folder."""
    folder.mkdir()
    source = ["-i", f"{image}@@{BEGIN_SECTOR * 512}", "::/"]
    subprocess.run(["mcopy", "-s", "-Q", *source, str(folder)], check=True)
    return folder


def check_image(image: Path) -> None:
    """fsck's own opinion of the boot partition; it must find nothing."""
    partition = image.with_suffix(".fat")
    begin, length = BEGIN_SECTOR, int.from_bytes(image.read_bytes()[458:462], "little")
    copy = [f"if={image}", f"of={partition}", "bs=512", f"skip={begin}", f"count={length}", "status=none"]
    subprocess.run(["dd", *copy], check=True)
    told = subprocess.run(["/usr/sbin/fsck.vfat", "-n", partition], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout


def small_packages(release: Release, cache: Path) -> None:
    """Packages that take no network, in the place of those of the lock: one module that says `there`."""
    cache.mkdir(parents=True, exist_ok=True)
    with tarfile.open(cache / archive_name(release), "w:gz") as packed:
        content = b"SAYS = 'there'\n"
        module = tarfile.TarInfo("small/__init__.py")
        module.size = len(content)
        packed.addfile(module, io.BytesIO(content))
