"""Waiting for a condition to become true."""

import time
from collections.abc import Callable, Sized


def wait_for(condition: Callable[[], object], timeout_s: float = 15.0) -> None:
    """Poll until the condition holds; AssertionError after the timeout."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "timed out"
        time.sleep(0.02)


def wait_until_quiet(events: Sized) -> None:
    """Wait until nothing has been added for a fifth of a second."""
    count = -1
    while count != len(events):
        count = len(events)
        time.sleep(0.2)
