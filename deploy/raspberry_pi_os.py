"""Raspberry Pi OS: the releases of 64 bits that mien goes onto, and how each is set up at its first start."""

from dataclasses import dataclass
from importlib.resources import files

from mien.errors import UsageError

MACHINE = "aarch64"


@dataclass(frozen=True, slots=True)
class Release:
    """One release."""

    name: str
    python: str
    """The Python that it comes with."""
    glibc: int
    """Minor version of its C library, 2.x: what wheels may ask for."""
    cloud_init: bool
    """Whether cloud-init sets it up, or a script of the kernel's command line."""

    @property
    def lock(self) -> str:
        """The agent's packages there, a requirements file with hashes."""
        return (files("mien.deploy") / "locks" / f"{self.name}.txt").read_text()

    @property
    def platforms(self) -> list[str]:
        """Wheels' platforms that run there, as pip calls them, the newest first."""
        return [f"manylinux_2_{minor}_{MACHINE}" for minor in range(self.glibc, 16, -1)] + [f"manylinux2014_{MACHINE}"]


TRIXIE = Release("trixie", "3.13", glibc=41, cloud_init=True)
BOOKWORM = Release("bookworm", "3.11", glibc=36, cloud_init=False)
RELEASES = {release.name: release for release in (TRIXIE, BOOKWORM)}


def release_of(name: str) -> Release:
    """A release by its name. UsageError names those there are."""
    if name not in RELEASES:
        raise UsageError(f"there is no system {name!r}: choose from {', '.join(RELEASES)}")
    return RELEASES[name]
