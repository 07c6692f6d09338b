"""Images of SD cards with a boot partition like that of Raspberry Pi OS, and small packages to write to them."""

import io
import struct
import subprocess
import tarfile
from pathlib import Path

from mien.deploy.packaging.packages import archive_name
from mien.deploy.raspberry_pi_os import OsRelease

FIRST_SECTOR = 16384
"""Of the boot partition."""
ISSUE = b"Raspberry Pi reference 2025-12-04\nGenerated using pi-gen, https://github.com/RPi-Distro/pi-gen, stage2\n"
KERNEL_COMMAND_LINE = (
    b"console=serial0,115200 console=tty1 root=PARTUUID=8b6a-02 rootfstype=ext4 fsck.repair=yes rootwait\n"
)
BOOKWORM_FILES = {"issue.txt": ISSUE, "config.txt": b"arm_64bit=1\n", "cmdline.txt": KERNEL_COMMAND_LINE}
TRIXIE_FILES = BOOKWORM_FILES | {
    "user-data": b"#cloud-config\n",
    "meta-data": b"dsmode: local\ninstance_id: rpios-image\n",
    "network-config": b"network:\n  version: 2\n",
}


def create_sd_card_image(path: Path, files: dict[str, bytes], *, mebibytes: int = 300) -> Path:
    """An SD card's image: a partition table, a FAT32 partition with these files, and a Linux partition behind it."""
    sectors = mebibytes * 2048
    fat = struct.pack("<B3sB3sII", 0, b"", 0x0C, b"", FIRST_SECTOR, sectors)
    linux = struct.pack("<B3sB3sII", 0, b"", 0x83, b"", FIRST_SECTOR + sectors, 8192)
    with path.open("wb") as image:
        image.truncate((FIRST_SECTOR + sectors + 8192) * 512)
        image.seek(446)
        image.write(fat + linux)
        image.seek(510)
        image.write(b"\x55\xaa")
    partition = ["-i", f"{path}@@{FIRST_SECTOR * 512}"]
    # without -v: fsck complains about a label that differs from the one in the root folder
    subprocess.run(["mformat", *partition, "-F", "-T", str(sectors), "-h", "64", "-s", "32", "::"], check=True)
    for name, content in files.items():
        subprocess.run(["mcopy", *partition, "-", f"::/{name}"], input=content, check=True)
    return path


def unpack_boot_partition(image: Path, folder: Path) -> Path:
    """Copy all files of its boot partition into a new folder."""
    folder.mkdir()
    source = ["-i", f"{image}@@{FIRST_SECTOR * 512}", "::/"]
    subprocess.run(["mcopy", "-s", "-Q", *source, str(folder)], check=True)
    return folder


def check_boot_partition(image: Path) -> None:
    """Check the boot partition with fsck, which must not find an error."""
    partition = image.with_suffix(".fat")
    first_sector, sectors = FIRST_SECTOR, int.from_bytes(image.read_bytes()[458:462], "little")
    copy = [f"if={image}", f"of={partition}", "bs=512", f"skip={first_sector}", f"count={sectors}", "status=none"]
    subprocess.run(["dd", *copy], check=True)
    command = ["/usr/sbin/fsck.vfat", "-n", str(partition)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def write_stub_packages(os_release: OsRelease, cache: Path) -> None:
    """Write an archive in the place of that of the lock, which would need a network: one module, `small`."""
    cache.mkdir(parents=True, exist_ok=True)
    with tarfile.open(cache / archive_name(os_release), "w:gz") as archive:
        content = b"MESSAGE = 'imported'\n"
        module = tarfile.TarInfo("small/__init__.py")
        module.size = len(content)
        archive.addfile(module, io.BytesIO(content))
