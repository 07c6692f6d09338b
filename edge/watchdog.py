"""Tells systemd that the agent is ready, and that all its loops go round (sd_notify(3), systemd.service(5))."""

import os
import socket
import time
from collections.abc import Callable, Collection
from contextlib import suppress

LATE_S = 20.0
"""A loop that has not reported for so long hangs: none of them waits longer than a second at a time, but a slow card
may hold up a commit."""


class Watchdog:
    """Fed only while every loop has reported lately; says nothing where systemd does not ask."""

    def __init__(self, loops: Collection[str], *, now_s: Callable[[], float] = time.monotonic) -> None:
        """`loops` are the names that `beat` will be called with, each from its own thread."""
        self._now_s = now_s
        self._beats = dict.fromkeys(loops, now_s())
        self._every_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 4e6
        self._fed_s = float("-inf")

    def ready(self) -> None:
        """The agent has all that it needs."""
        _notify("READY=1")

    def stopping(self) -> None:
        """The agent has been told to stop."""
        _notify("STOPPING=1")

    def beat(self, loop: str) -> None:
        """This loop goes round."""
        now_s = self._beats[loop] = self._now_s()
        if self._every_s and now_s - self._fed_s >= self._every_s and now_s - min(self._beats.values()) < LATE_S:
            self._fed_s = now_s
            _notify("WATCHDOG=1")


def _notify(message: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        address = "\0" + address[1:] if address.startswith("@") else address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as peer:
            peer.sendto(message.encode(), address)
