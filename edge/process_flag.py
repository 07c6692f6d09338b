"""A flag between processes: one sets it, and the kernel clears it when that process ends, however it ends."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

POLL_S = 0.05
SET_WITHIN_S = 1.0
"""Whoever looks at a flag holds it for a moment."""


class ProcessFlag:
    """A lock on an empty file (flock(2)), which another user may have created. Call `close` at the end."""

    def __init__(self, file: Path) -> None:
        """Create the file if it does not exist. OSError if it cannot be opened."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = _open(file)
        self._is_own = False

    @property
    def is_own(self) -> bool:
        """Whether this object has set it."""
        return self._is_own

    @property
    def is_set_elsewhere(self) -> bool:
        """Whether another process, or another object, has set it."""
        if self._is_own:
            return False
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return False

    def set(self, *, within_s: float = SET_WITHIN_S) -> bool:
        """Set it; False if another has set it and does not clear it within so many seconds."""
        deadline_s = time.monotonic() + within_s
        while not self._is_own:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._is_own = True
            except BlockingIOError:
                if time.monotonic() >= deadline_s:
                    return False
                time.sleep(POLL_S)
        return True

    def clear(self) -> None:
        """Clear it, if this object has set it."""
        if self._is_own:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self._is_own = False

    def close(self) -> None:
        """Clear it for good."""
        self._is_own = False
        os.close(self._descriptor)


def _open(file: Path) -> int:
    """The file's descriptor; what root creates belongs to the folder's owner, who could not open it otherwise.

    It follows no link: the folder is the agent's, and an agent that was taken over must not choose what root creates.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(file, flags | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return os.open(file, flags)
    if os.geteuid() == 0:
        owner = file.parent.stat()
        with suppress(OSError):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor
