"""Notifies systemd that the agent is ready and that all its loops are running (sd_notify(3), systemd.service(5))."""

import os
import socket
import time
from collections.abc import Callable, Collection
from contextlib import suppress

LOOP_TIMEOUT_S = 20.0
"""A loop without a heartbeat for this long hangs: no loop waits longer than a second at a time, but a slow SD card may
delay a commit."""


class Watchdog:
    """Notifies systemd only while all loops send heartbeats; does nothing if systemd did not request it."""

    def __init__(self, loops: Collection[str], *, now_s: Callable[[], float] = time.monotonic) -> None:
        """`loops` are the names that `heartbeat` will be called with, each from its own thread."""
        self._now_s = now_s
        self._heartbeats_s = dict.fromkeys(loops, now_s())
        self._interval_s = int(os.environ.get("WATCHDOG_USEC", "0")) / 4e6
        self._notified_s = float("-inf")

    def ready(self) -> None:
        """Report that the agent has started."""
        _notify("READY=1")

    def stopping(self) -> None:
        """Report that the agent is shutting down."""
        _notify("STOPPING=1")

    def heartbeat(self, loop: str) -> None:
        """Record that a loop is running, and notify systemd if it is time and no loop hangs."""
        now_s = self._heartbeats_s[loop] = self._now_s()
        is_due = now_s - self._notified_s >= self._interval_s
        if self._interval_s and is_due and now_s - min(self._heartbeats_s.values()) < LOOP_TIMEOUT_S:
            self._notified_s = now_s
            _notify("WATCHDOG=1")


def _notify(message: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        address = "\0" + address[1:] if address.startswith("@") else address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as systemd:
            systemd.sendto(message.encode(), address)
