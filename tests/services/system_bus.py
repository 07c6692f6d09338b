"""A system bus of the test's own, with the real dbus-daemon and the real timedated on it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from polling import wait_for

TIMEDATED = Path("/usr/lib/systemd/systemd-timedated")
CONFIGURATION = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"""


@contextmanager
def running_system_bus(folder: Path) -> Iterator[str]:
    """The address of the bus; skips the test if its programs are not installed."""
    daemon = shutil.which("dbus-daemon")
    if daemon is None or not TIMEDATED.exists() or shutil.which("busctl") is None:
        pytest.skip("dbus or systemd is not installed: make system")
    socket, configuration = folder / "bus", folder / "bus.conf"
    configuration.write_text(CONFIGURATION.format(socket=socket))
    address = f"unix:path={socket}"
    environment = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": address}
    with (folder / "bus.log").open("wb") as log:
        processes = [
            subprocess.Popen([daemon, f"--config-file={configuration}", "--nofork", "--nopidfile"], stderr=log)
        ]
        try:
            wait_for(socket.exists)
            processes.append(subprocess.Popen([TIMEDATED], env=environment, stdout=log, stderr=log))
            yield address
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait()
