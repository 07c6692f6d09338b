"""The lock of a running agent: no second one uses its outbox, and `mien doctor` does not end its connection."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from mien.errors import DatabaseError

WAIT_S = 1.0
"""`is_agent_running` holds the lock for a moment."""
POLL_S = 0.05


@contextmanager
def agent_lock(outbox: Path, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Reserve an outbox for one agent; the kernel releases the lock when the process dies.

    DatabaseError if another one has it after `wait_s`, or if the file of the lock cannot be written.
    """
    with ExitStack() as stack:
        try:
            outbox.parent.mkdir(parents=True, exist_ok=True)
            lock_file = stack.enter_context(_lock_path(outbox).open("wb"))
            _lock(lock_file, time.monotonic() + wait_s)
        except BlockingIOError as error:
            raise DatabaseError(f"another agent uses the outbox {outbox}: stop it, or set another outbox") from error
        except OSError as error:
            raise DatabaseError(
                f"the outbox {outbox} cannot be locked ({error}): check outbox in agent.toml"
            ) from error
        yield


def is_agent_running(outbox: Path) -> bool:
    """Whether an agent uses this outbox, as far as this user may know; True if not."""
    try:
        with _lock_path(outbox).open("rb") as lock_file:
            fcntl.flock(lock_file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return False


def _lock_path(outbox: Path) -> Path:
    return outbox.with_name(f"{outbox.name}-agent")


def _lock(file: IO[bytes], deadline_s: float) -> None:
    """BlockingIOError if another process has it until the deadline."""
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline_s:
                raise
        time.sleep(POLL_S)
