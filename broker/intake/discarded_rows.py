"""Names the devices whose rows are discarded because they send too many."""

import logging
import time
from collections import Counter
from collections.abc import Callable

from mien.errors import DatabaseError

from .device_log import DeviceLog

SAVE_INTERVAL_S = 60.0
"""Between two updates of the numbers in the emotion log."""

log = logging.getLogger(__name__)


class DiscardedRows:
    """Counts discarded rows by device: in a log line and in the emotion log, each about once a minute."""

    def __init__(
        self, save: Callable[[Counter[str]], None], *, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        """`save` adds counts to those in the emotion log; after its DatabaseError they are saved later."""
        self._save = save
        self._monotonic_s = monotonic_s
        self._unsaved: Counter[str] = Counter()
        self._saved_s = -SAVE_INTERVAL_S
        self._device_log = DeviceLog(
            log,
            "discarded rows of %(device)s: %(count)d; it sends faster than they can be stored, and has to send again",
            clock=monotonic_s,
        )

    def add(self, device: str, count: int) -> None:
        """Count rows of a device."""
        self._device_log.add(device, count)
        self._unsaved[device] += count

    def report(self, *, is_last: bool = False) -> None:
        """Log and save what is due; with `is_last`, everything."""
        self._device_log.write(is_last=is_last)
        now_s = self._monotonic_s()
        if not self._unsaved or (now_s - self._saved_s < SAVE_INTERVAL_S and not is_last):
            return
        self._saved_s = now_s
        try:
            self._save(self._unsaved)
        except DatabaseError as error:
            log.error("%s", error)
            return
        self._unsaved.clear()
