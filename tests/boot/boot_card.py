"""The SD card of a Raspberry Pi that can be emulated: an image with a boot partition and a whole root file system."""

import re
import shutil
import subprocess
from pathlib import Path

from sd_cards import FIRST_SECTOR, TRIXIE_FILES, create_sd_card_image

DISK_ID = 0x6D69656E
"""What prepare.sh's fstab finds the partitions by."""
COMMAND_LINE = (
    b"console=serial0,115200 console=tty1 root=PARTUUID=6d69656e-02 rootfstype=ext4 fsck.repair=yes rootwait\n"
)
BOOT_MEBIBYTES = 512
"""As on Raspberry Pi OS."""
IDENTITY = "mien/device/device.key"
"""The device's private key in the boot partition, until it is installed."""


class BootCard:
    """An image file of a card; read it while no emulator runs from it."""

    def __init__(self, image: Path) -> None:
        self.image = image
        self._boot_partition = ["-i", f"{image}@@{FIRST_SECTOR * 512}"]
        self._root_partition = f"{image}?offset={(FIRST_SECTOR + BOOT_MEBIBYTES * 2048) * 512}"

    @classmethod
    def create(cls, image: Path, root_filesystem: Path) -> "BootCard":
        """A card as Raspberry Pi OS is written to it."""
        files = TRIXIE_FILES | {"cmdline.txt": COMMAND_LINE}
        return cls(
            create_sd_card_image(
                image, files, mebibytes=BOOT_MEBIBYTES, disk_id=DISK_ID, root_filesystem=root_filesystem
            )
        )

    def copy(self, image: Path) -> "BootCard":
        """A card with the same content."""
        subprocess.run(["cp", "--sparse=always", str(self.image), str(image)], check=True)
        return BootCard(image)

    def boot_files(self) -> set[str]:
        """The paths of all files in the boot partition."""
        listing = self._run_mtools("mdir", "-b", "-/", "::/").decode()
        return {line.removeprefix("::/") for line in listing.splitlines() if not line.endswith("/")}

    def read(self, name: str) -> bytes:
        """A file of the boot partition."""
        return self._run_mtools("mtype", f"::/{name}")

    def write(self, name: str, content: bytes) -> None:
        """Replace a file of the boot partition."""
        subprocess.run(["mcopy", "-o", *self._boot_partition, "-", f"::/{name}"], input=content, check=True)

    def contains(self, secret: bytes) -> bool:
        """Whether the bytes are anywhere in the boot partition, in deleted files too."""
        with self.image.open("rb") as image:
            image.seek(FIRST_SECTOR * 512)
            return secret in image.read(BOOT_MEBIBYTES << 20)

    def owner_and_mode(self, path: str) -> tuple[int, int]:
        """User ID and permissions of a file in the root file system, which was shut down properly."""
        status = self._run_debugfs(f"stat {path}")
        user, mode = re.search(r"User: +(\d+)", status), re.search(r"Mode: +(\d+)", status)
        assert user is not None, status
        assert mode is not None, status
        return int(user[1]), int(mode[1], 8)

    def read_root(self, path: str) -> str:
        """A text file of the root file system; empty if it does not exist."""
        return self._run_debugfs(f"cat {path}")

    def _run_mtools(self, command: str, *arguments: str) -> bytes:
        return subprocess.run([command, *self._boot_partition, *arguments], capture_output=True, check=True).stdout

    def _run_debugfs(self, request: str) -> str:
        program = shutil.which("debugfs", path="/usr/sbin:/sbin:/usr/bin") or "debugfs"
        command = [program, "-c", "-R", request, self._root_partition]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
