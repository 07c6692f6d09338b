"""Whether the kernel's clock is synchronized, by whatever does that: systemd-timesyncd, chrony, ntpsec, PTP."""

import ctypes
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

PROPERTY = ("org.freedesktop.timedate1", "/org/freedesktop/timedate1", "org.freedesktop.timedate1", "NTPSynchronized")
"""Service, object, interface and property (org.freedesktop.timedate1(5)); D-Bus starts the service when it is asked."""
TIMEDATED_TIMEOUT_S = 25.0
"""A Pi Zero that is booting takes seconds to start timedated; 25 s is D-Bus's own limit."""
MAX_ERROR_US = 16_000_000
"""The kernel's estimate of the clock's error that counts as unsynchronized (systemd, time-util.c, `ntp_synced`).

The kernel starts with it, lets it grow by 500 ppm, and reaches it 9 hours after a program has last set the clock.
"""
EARLY_ASK_S, EARLY_S = 5.0, 300.0
"""Between two questions in the first minutes of an unsynchronized clock, when observations wait for it."""
UNSYNCED_ASK_S = 60.0
SYNCED_ASK_S = 600.0
HOLDOVER_S = 7 * 86_400.0
"""How long a clock counts as synchronized that was, and that nobody has set since: a network that fails for days makes
it wrong by seconds, at 50 ppm by 30 s a week."""
STEP_S = 0.5
"""A clock that is further off its course was set, because corrections that are no steps also apply to the time since
boot (adjtimex(2))."""

log = logging.getLogger(__name__)


class SyncAnswer(NamedTuple):
    """Whether the clock is synchronized, and who says so."""

    is_synchronized: bool | None
    """None: unknown."""
    source: str
    """"timedated" or "kernel"; if unknown, why neither answers."""


def ask_clock_sync() -> SyncAnswer:
    """Ask timedated, and the kernel if it does not answer; in a unit's sandbox the kernel refuses (ProtectClock=)."""
    is_synchronized, timedated_error = _ask_timedated()
    if is_synchronized is not None:
        return SyncAnswer(is_synchronized, "timedated")
    is_synchronized, kernel_error = _ask_kernel()
    if is_synchronized is not None:
        return SyncAnswer(is_synchronized, "kernel")
    return SyncAnswer(None, f"timedated: {timedated_error}; adjtimex: {kernel_error}")


class ClockSync:
    """Whether the clock is synchronized now, remembered between rare questions; nobody waits for an answer.

    A clock that was synchronized stays so for `HOLDOVER_S` unless it is set. Safe for several threads.
    """

    def __init__(
        self,
        ask: Callable[[], SyncAnswer] = ask_clock_sync,
        *,
        wall_s: Callable[[], float] = time.time,
        uptime_s: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        run_in_background: Callable[[Callable[[], None]], None] = lambda work: threading.Thread(
            target=work, name="clock sync", daemon=True
        ).start(),
    ) -> None:
        """`wall_s` and `uptime_s` read the two clocks in seconds."""
        self._ask = ask
        self._wall_s = wall_s
        self._uptime_s = uptime_s
        self._run_in_background = run_in_background
        self._lock = threading.Lock()
        self._is_asking = False
        self._answer: bool | None = None
        self._logged: SyncAnswer | None = None
        self._start_s = uptime_s()
        self._next_ask_s = float("-inf")
        self._offset_s = self._read_offset_s()
        self._synced_s = float("-inf")

    def is_synchronized(self) -> bool | None:
        """The latest answer; None while there is none, which includes the moments after the clock has been set."""
        with self._lock:
            offset_s = self._read_offset_s()
            if abs(offset_s - self._offset_s) > STEP_S:
                self._offset_s = offset_s
                self._answer, self._synced_s = None, float("-inf")
                self._start_s = self._uptime_s()
                self._next_ask_s = float("-inf")
            is_due = not self._is_asking and self._uptime_s() >= self._next_ask_s
            self._is_asking = self._is_asking or is_due
        if is_due:
            self._run_in_background(self._refresh)
        with self._lock:
            return self._answer

    def _read_offset_s(self) -> float:
        return self._wall_s() - self._uptime_s()

    def _refresh(self) -> None:
        begun_offset_s = self._read_offset_s()
        try:
            answer = self._ask()
        except Exception:
            log.exception("asking whether the clock is synchronized failed")  # a bug; the next question may succeed
            answer = SyncAnswer(None, "see the error above")
        with self._lock:
            self._is_asking = False
            if abs(self._read_offset_s() - begun_offset_s) > STEP_S:
                return  # the clock was set in the meantime: the next call asks again
            now_s = self._uptime_s()
            if answer.is_synchronized:
                self._synced_s = now_s
            is_held = now_s - self._synced_s < HOLDOVER_S
            self._answer = True if is_held else answer.is_synchronized
            is_early = now_s - self._start_s < EARLY_S
            self._next_ask_s = now_s + (SYNCED_ASK_S if self._answer else EARLY_ASK_S if is_early else UNSYNCED_ASK_S)
            answer = SyncAnswer(self._answer, answer.source)
            is_new = self._logged is None or self._logged.is_synchronized != answer.is_synchronized
            self._logged = answer
        if is_new:
            _log(answer)


def _log(answer: SyncAnswer) -> None:
    if answer.is_synchronized is None:
        log.warning(
            "whether the clock is synchronized is unknown (%s): "
            'run dbus and systemd-timesyncd, or set clock = "trusted" if something else keeps the clock right',
            answer.source,
        )
    elif answer.is_synchronized:
        log.info("the clock is synchronized (%s)", answer.source)
    else:
        log.warning("the clock is not synchronized (%s): see `timedatectl`", answer.source)


def _ask_timedated() -> tuple[bool | None, str]:
    """timedated's answer; None, with the reason, if there is none."""
    command = ["busctl", "--system", "--no-pager", f"--timeout={TIMEDATED_TIMEOUT_S:.0f}", "get-property", *PROPERTY]
    # Without the socket on which it would report its own exit to systemd, as if it were the service.
    environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEDATED_TIMEOUT_S,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    values = {"b true": True, "b false": False}
    if (value := values.get(result.stdout.strip())) is None:
        return None, (result.stderr.strip().splitlines() or ["busctl gives no answer"])[-1]
    return value, ""


class _Timex(ctypes.Structure):
    """The beginning of `struct timex` (adjtimex(2)), with more room than its end needs."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("rest", ctypes.c_long * 60),
    )


def _ask_kernel() -> tuple[bool | None, str]:
    """The kernel's answer; None, with the reason, if it refuses to give one."""
    libc = ctypes.CDLL(None, use_errno=True)
    timex = _Timex(modes=0)  # 0: read only
    if not hasattr(libc, "adjtimex"):
        return None, "not on this system"
    if libc.adjtimex(ctypes.byref(timex)) < 0:
        return None, os.strerror(ctypes.get_errno())
    return timex.maxerror < MAX_ERROR_US, ""
