"""Images of SD cards with a boot partition like that of Raspberry Pi OS, and small packages to write to them."""

import io
import struct
import subprocess
import tarfile
import uuid
import zlib
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


def create_sd_card_image(
    path: Path,
    files: dict[str, bytes],
    *,
    mebibytes: int = 300,
    has_gpt: bool = False,
    disk_id: int = 0,
    root_filesystem: Path | None = None,
) -> Path:
    """An SD card's image: a partition table, a FAT32 partition with these files, and a Linux partition.

    The Linux partition is empty unless `root_filesystem` is a file with its content; `disk_id` is what PARTUUID= of the
    kernel command line begins with, in an MBR.
    """
    sectors = mebibytes * 2048
    linux_sectors = 8192 if root_filesystem is None else root_filesystem.stat().st_size // 512
    with path.open("wb") as image:
        image.truncate((FIRST_SECTOR + sectors + linux_sectors) * 512)
        partitions = (0x0C, FIRST_SECTOR, sectors), (0x83, FIRST_SECTOR + sectors, linux_sectors)
        image.write(_gpt(sectors) if has_gpt else _mbr(*partitions, disk_id=disk_id))
    if root_filesystem is not None:
        copy = [f"if={root_filesystem}", f"of={path}", "bs=1M", f"seek={(FIRST_SECTOR + sectors) // 2048}"]
        subprocess.run(["dd", *copy, "conv=notrunc,sparse", "status=none"], check=True)
    partition = ["-i", f"{path}@@{FIRST_SECTOR * 512}"]
    # without -v: fsck complains about a label that differs from the one in the root folder
    subprocess.run(["mformat", *partition, "-F", "-T", str(sectors), "-h", "64", "-s", "32", "::"], check=True)
    for name, content in files.items():
        subprocess.run(["mcopy", *partition, "-", f"::/{name}"], input=content, check=True)
    return path


def _mbr(*partitions: tuple[int, int, int], disk_id: int = 0) -> bytes:
    """A master boot record with partitions by type, first sector and number of sectors."""
    entries = b"".join(struct.pack("<B3sB3sII", 0, b"", kind, b"", *place) for kind, *place in partitions)
    return bytes(440) + struct.pack("<IH", disk_id, 0) + entries.ljust(64, b"\0") + b"\x55\xaa"


def _gpt(sectors: int) -> bytes:
    """A GUID partition table (UEFI Specification 2.10, 5.3) that lists a Linux partition before the FAT partition."""
    linux, data = ("0fc63daf-8483-4772-8e79-3d69d8477de4", "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7")
    end = FIRST_SECTOR + sectors
    entries = b"".join(
        struct.pack(
            "<16s16sQQQ72s", uuid.UUID(kind).bytes_le, uuid.uuid4().bytes, first, last, 0, name.encode("utf-16-le")
        )
        for kind, first, last, name in ((linux, end, end + 4095, "rootfs"), (data, FIRST_SECTOR, end - 1, "bootfs"))
    ).ljust(128 * 128, b"\0")
    fields = (1, end + 8191, 34, end + 8158, uuid.uuid4().bytes, 2, 128, 128, zlib.crc32(entries))
    header = struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, *fields)
    header = header[:16] + struct.pack("<I", zlib.crc32(header)) + header[20:]
    return _mbr((0xEE, 1, end + 8191)) + header.ljust(512, b"\0") + entries


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
