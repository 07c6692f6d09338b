"""Log lines about devices, at most one a device and minute: a device must not be able to fill the disk with them."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

INTERVAL_S = 60.0
MAX_DEVICES = 1000
"""Whose counts are kept; if there are more, those that have waited longest are logged early."""


@dataclass(slots=True)
class Pending:
    """What has not been logged yet about a device."""

    count: int = 0
    detail: str = ""
    logged_s: float | None = None


class DeviceLog:
    """Counts what a device does wrong and logs the count: at once for the first, then no more than once a minute."""

    def __init__(self, log: logging.Logger, text: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`text` has the placeholders %(count)d, %(device)s and %(detail)s; `clock` gives seconds."""
        self._log = log
        self._text = text
        self._clock = clock
        self._devices: dict[str, Pending] = {}

    def add(self, device: str, count: int, detail: str = "") -> None:
        """Count for a device; `detail` replaces an earlier one."""
        pending = self._devices.setdefault(device, Pending())
        pending.count += count
        pending.detail = detail

    def write(self, *, is_last: bool = False) -> None:
        """Log what is due; with `is_last`, everything."""
        now_s = self._clock()
        for device, pending in list(self._devices.items()):
            is_due = pending.logged_s is None or now_s - pending.logged_s >= INTERVAL_S
            if not is_due and not is_last and len(self._devices) <= MAX_DEVICES:
                continue
            if pending.count:
                values = {"count": pending.count, "device": device, "detail": pending.detail}
                self._log.warning(self._text, values)
                self._devices[device] = Pending(logged_s=now_s)
            else:
                del self._devices[device]
