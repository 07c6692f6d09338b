"""A Raspberry Pi's processor, memory, SD card and network, emulated by qemu: it boots the card's own system."""

import json
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from boot_card import BootCard

HOST_ADDRESS = "10.0.2.2"
"""This machine, as the Pi sees it (qemu's user networking)."""
MACHINE = ["-machine", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "2048", "-accel", "tcg,thread=multi"]
"""With the processor of a Pi 4, whose board qemu does not emulate as far as its network."""
BOOT_TIMEOUT_S = 1800.0
"""Five minutes on a machine with nothing else to do."""
POLL_S = 0.2


class VirtualPi:
    """A Pi that is switched on while the block runs; leaving the block cuts its power."""

    def __init__(self, card: BootCard, system: Path, folder: Path) -> None:
        """Runs from the card; `system` is what prepare.sh made, `folder` an empty one for its serial console."""
        self._card = card
        self._system = system
        self._console = folder / "console.log"
        self._monitor = folder / "monitor"
        self._emulator_errors = folder / "emulator.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # A Pi's firmware, too, replaces serial0 by the name of the board's serial port.
        command_line = self._card.read("cmdline.txt").decode().strip().replace("serial0", "ttyAMA0")
        drive = f"file={self._card.image},format=raw,if=none,id=card,cache=writeback"
        devices = ["-drive", drive, "-device", "virtio-blk-pci,drive=card", "-device", "virtio-rng-pci"]
        devices += ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="]
        boot = ["-kernel", str(self._system / "kernel"), "-initrd", str(self._system / "initrd")]
        ports = ["-serial", f"file:{self._console}", "-qmp", f"unix:{self._monitor},server=on,wait=off"]
        command = ["nice", "-n", "5", "qemu-system-aarch64", *MACHINE, *devices, *boot, "-append", command_line]
        command += ["-display", "none", "-no-reboot", *ports]
        self._console.write_bytes(b"")
        with self._emulator_errors.open("wb") as errors:
            self._process = subprocess.Popen(command, stderr=errors)
        return self

    def __exit__(self, *_: object) -> None:
        self.cut_power()

    @property
    def console(self) -> str:
        """What it has written to the serial port, the journal included, without colors."""
        return re.sub(r"\x1b\[[0-9;:]*m|\r", "", self._console.read_text(errors="replace"))

    def wait_for_line(self, pattern: str, timeout_s: float) -> str:
        """The first line on its console that contains the pattern; AssertionError with the last lines otherwise."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            lines = self.console.splitlines()
            if found := next((line for line in lines if re.search(pattern, line)), None):
                return found
            self.check_is_on()
            time.sleep(POLL_S)
        last_lines = "\n".join(self.console.splitlines()[-30:])
        raise AssertionError(f"the Pi has not written {pattern!r} within {timeout_s:.0f} s:\n{last_lines}")

    def check_is_on(self) -> None:
        """AssertionError with the last lines of its console if it switched itself off, or to restart."""
        assert self._process is not None
        if self._process.poll() is not None:
            last_lines = "\n".join(self.console.splitlines()[-30:])
            raise AssertionError(f"the Pi is off: {self._emulator_errors.read_text()}\n{last_lines}")

    def cut_power(self) -> None:
        """Kill it at once (kill -9)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def shut_down(self, timeout_s: float = 120.0) -> None:
        """Press its power button, and wait until its system has shut down."""
        assert self._process is not None
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(str(self._monitor))
            with monitor.makefile("rw") as stream:
                stream.readline()  # its greeting
                for command in ("qmp_capabilities", "system_powerdown"):
                    print(json.dumps({"execute": command}), file=stream, flush=True)
                    stream.readline()
                self._process.wait(timeout_s)
        self._process = None
