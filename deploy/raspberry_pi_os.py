"""The 64-bit releases of Raspberry Pi OS that mien supports, and how each is set up at its first boot."""

from dataclasses import dataclass
from importlib.resources import files

from mien.errors import UsageError

MACHINE = "aarch64"


@dataclass(frozen=True, slots=True)
class OsRelease:
    """A release of Raspberry Pi OS."""

    name: str
    python: str
    """Version of the Python that it ships."""
    glibc: int
    """Minor version of its C library, 2.x, which decides the wheels that run on it."""
    cloud_init: bool
    """Whether cloud-init sets it up; otherwise a script on the kernel's command line does."""

    @property
    def lock(self) -> str:
        """The agent's packages on this release: a requirements file with hashes."""
        return (files("mien.deploy.packaging") / "locks" / f"{self.name}.txt").read_text()

    @property
    def platforms(self) -> list[str]:
        """The wheel platforms that run on it, by pip's names, the newest first."""
        return [f"manylinux_2_{minor}_{MACHINE}" for minor in range(self.glibc, 16, -1)] + [f"manylinux2014_{MACHINE}"]


TRIXIE = OsRelease("trixie", "3.13", glibc=41, cloud_init=True)
BOOKWORM = OsRelease("bookworm", "3.11", glibc=36, cloud_init=False)
OS_RELEASES = {os_release.name: os_release for os_release in (TRIXIE, BOOKWORM)}


def find_os_release(name: str) -> OsRelease:
    """A release by its name. UsageError, with the supported names, if there is none."""
    if name not in OS_RELEASES:
        raise UsageError(f"{name!r} is not a supported release of Raspberry Pi OS: choose {' or '.join(OS_RELEASES)}")
    return OS_RELEASES[name]
