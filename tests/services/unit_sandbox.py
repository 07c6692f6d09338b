"""Runs a program under the system call filter of a systemd unit, as systemd would install it (systemd.exec(5))."""

import ctypes
import ctypes.util
import errno
import os
import subprocess
import sys
from collections.abc import Iterable

import pytest

ALLOW = 0x7FFF0000
"""SCMP_ACT_ALLOW of seccomp.h."""
ERRNO = 0x00050000
"""SCMP_ACT_ERRNO."""
IMPLIED = {"ProtectClock": "@clock", "ProtectKernelLogs": "syslog", "ProtectKernelModules": "@module"}
"""What else some settings refuse (systemd, execute.c)."""


def run_in_sandbox(unit: str, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command as the unit's processes run; skips the test without libseccomp and systemd's own tables."""
    return subprocess.run(sandboxed(unit, command), capture_output=True, text=True, timeout=60, check=False)


def sandboxed(unit: str, command: list[str]) -> list[str]:
    """The command that runs a command so; skips the test without libseccomp and systemd's own tables."""
    try:
        sets = _read_sets()
    except FileNotFoundError:
        pytest.skip("systemd is not installed: make system")
    if ctypes.util.find_library("seccomp") is None:
        pytest.skip("libseccomp is not installed: make system")
    allowed, refused = _read_filters(unit, sets)
    return [sys.executable, __file__, ",".join(sorted(allowed)), ",".join(sorted(refused)), *command]


def _read_sets() -> dict[str, set[str]]:
    """systemd's groups of system calls, which may contain each other."""
    output = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    sets: dict[str, set[str]] = {}
    name = ""
    for line in output.splitlines():
        word = line.strip()
        if line.startswith("@"):
            sets[name := word] = set()
        elif line.startswith(" ") and word and not word.startswith("#"):
            sets[name].add(word)
        elif line.startswith("#"):
            break  # then those that are in no group
    return sets


def _read_filters(unit: str, sets: dict[str, set[str]]) -> tuple[set[str], set[str]]:
    """The system calls that SystemCallFilter= allows, and those that other settings refuse."""

    def expand(names: Iterable[str]) -> set[str]:
        return {call for name in names for call in (expand(sets[name]) if name in sets else {name})}

    allowed, refused = expand(["@default"]), set[str]()
    for line in unit.splitlines():
        setting, _, value = line.partition("=")
        if setting == "SystemCallFilter":
            names = expand(value.lstrip("~").split())
            allowed = allowed - names if value.startswith("~") else allowed | names
        elif setting in IMPLIED and value == "yes":
            refused |= expand([IMPLIED[setting]])
    return allowed, refused


def _install(default_action: int, action: int, calls: Iterable[str]) -> None:
    """Calls that this processor's kernel does not have are left out, as systemd does."""
    seccomp = ctypes.CDLL(ctypes.util.find_library("seccomp"))
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(default_action))
    for call in calls:
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        if number >= 0 and seccomp.seccomp_rule_add(context, action, number, 0) != 0:
            raise OSError(f"{call} cannot be filtered")
    if error := seccomp.seccomp_load(context):
        raise OSError(-error, os.strerror(-error))


def main() -> None:
    allowed, refused, *command = sys.argv[1:]
    _install(ALLOW, ERRNO | errno.EPERM, refused.split(","))
    _install(ERRNO | errno.EPERM, ALLOW, {*allowed.split(","), "seccomp"})
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
