"""Where the parts of an installed server are."""

from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "mien-server"
"""Not `mien`, as on a device: an agent on the same machine must not be able to read the server's keys."""
UNITS = ("mien-mosquitto.service", "mien-collector*.service", "mien-dashboard.service")


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of an installed server, all absolute."""

    home: Path
    """Releases, and the link `current` to the active one; root's."""
    data: Path
    """The server folder; the account's, except for the certificate authority and the devices' keys."""
    units: Path
    sysusers: Path
    """The file by which systemd-sysusers creates the account."""
    command: Path
    """The `mien` of the active release, for the administrator."""

    @classmethod
    def under(cls, root: Path) -> "Layout":
        """The paths of a system, whose root is `/` except in tests."""
        return cls(
            home=root / "opt" / "mien-server",
            data=root / "var" / "lib" / "mien-server",
            units=root / "etc" / "systemd" / "system",
            sysusers=root / "etc" / "sysusers.d" / "mien-server.conf",
            command=root / "usr" / "local" / "bin" / "mien",
        )

    @property
    def releases(self) -> Path:
        """A folder for each release."""
        return self.home / "releases"

    @property
    def current(self) -> Path:
        """The link to the active release."""
        return self.home / "current"

    @property
    def program(self) -> Path:
        """The `mien` of the active release."""
        return self.current / "bin" / "mien"

    def unit_files(self) -> list[Path]:
        """The server's units that are installed, not the agent's."""
        return sorted(file for pattern in UNITS for file in self.units.glob(pattern))
