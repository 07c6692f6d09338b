"""Waiting for something to become true."""

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], object], timeout_s: float = 15.0) -> None:
    """Poll until something holds; AssertionError if it does not in time."""
    ends_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends_s, "it did not happen in time"
        time.sleep(0.02)
