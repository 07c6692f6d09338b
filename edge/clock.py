"""Whether this device knows what time it is: a Pi has no clock battery."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd touches this file when it has set the clock (systemd-timesyncd.service(8))."""


class Clock:
    """The time, and whether to believe it."""

    def __init__(self, trust: Literal["ntp", "trusted"], synchronised: Path = SYNCHRONISED) -> None:
        self._trust = trust
        self._synchronised = synchronised

    def now(self) -> datetime:
        """UTC in whole milliseconds."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    @property
    def state(self) -> Literal["synced", "unsynced"]:
        """What an observation made now says of its time."""
        return "synced" if self._trust == "trusted" or self._synchronised.exists() else "unsynced"
