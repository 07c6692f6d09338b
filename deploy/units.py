"""systemd's units: the MQTT broker, the collector and the dashboard of a server's folder, and a device's agent."""

import os
import shutil
import sys
import textwrap
from pathlib import Path

HARDENED = """\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome={home}
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
CapabilityBoundingSet=
AmbientCapabilities=
UMask=0077
"""
"""For programs that need the network and one folder."""


HOMES = ("/home", "/root", "/var/home")
"""What ProtectHome= hides: a folder or a Python below it needs them readable."""
AGENT_UNIT = "mien-agent.service"
AGENT = """\
# Made by mien; the next release writes it anew. Changes go into /etc/systemd/system/mien-agent.service.d/.
[Unit]
Description=mien's agent: reads facial expressions when something moves
Documentation=file:///etc/mien/agent.toml
StartLimitIntervalSec=0

[Service]
Type=notify
User=mien
ExecStart=/usr/bin/python3 -P -m mien agent run --config /etc/mien/agent.toml
Environment=PYTHONPATH=/opt/mien/current PYTHONPYCACHEPREFIX=/var/cache/mien
Environment=GPIOZERO_PIN_FACTORY=lgpio LG_WD=/run/mien
WorkingDirectory=/run/mien
RuntimeDirectory=mien
StateDirectory=mien
CacheDirectory=mien
WatchdogSec=60
TimeoutStartSec=180
Restart=always
RestartSec=2
RestartSteps=6
RestartMaxDelaySec=120
# Nothing that another start would mend: wrong options, a configuration or a package that is not there.
RestartPreventExitStatus=2 3 9
MemoryMax=60%
DevicePolicy=closed
DeviceAllow=char-gpiochip rw
DeviceAllow=char-video4linux rw
DeviceAllow=char-media rw
DeviceAllow=char-dma_heap rw
"""
"""The agent may use the pins, cameras and what they need, and write its outbox. `notify` is sent by edge/watchdog.py.
An older systemd than trixie's ignores the two lines that make its pauses between starts longer."""
NOT_THE_AGENT_S = ("PrivateDevices=", "ProcSubset=")
"""It needs the devices allowed above, and /proc/cpuinfo and /proc/device-tree."""


def agent_unit() -> str:
    """The agent's unit on a device."""
    hardened = HARDENED.format(home="yes").replace("AF_UNIX", "AF_UNIX AF_NETLINK")  # by which libcamera finds cameras
    kept = [line for line in hardened.splitlines() if not line.startswith(NOT_THE_AGENT_S)]
    return AGENT + "\n".join([*kept, "", "[Install]", "WantedBy=multi-user.target", ""])


def units(folder: Path, user: str) -> dict[str, str]:
    """The units' files by name, for programs where this machine has them."""
    mosquitto = program("mosquitto")
    mien = shutil.which("mien", path=str(Path(sys.executable).parent)) or "/usr/local/bin/mien"
    broker = f"{mosquitto or '/usr/sbin/mosquitto'} -c {folder}/broker/mosquitto.conf"
    collector = f"{mien} collect --config {folder}/collector/collector.toml"
    dashboard = f"{mien} dashboard --config {folder}/dashboard/dashboard.toml"
    return {
        "mien-broker.service": _unit(
            "mien's MQTT broker", broker, user, folder, "broker", extra="ExecReload=/bin/kill -HUP $MAINPID\n"
        ),
        # Nothing that another start would mend: wrong options, a configuration or a package that is not there.
        "mien-collector.service": _unit(
            "mien's collector", collector, user, folder, "collector", extra="RestartPreventExitStatus=2 3 9\n"
        ),
        # SQLite wants to write beside the log, to count those who read; the log itself is opened read-only.
        "mien-dashboard.service": _unit(
            "mien's dashboard", dashboard, user, folder, "collector/data", extra="RestartPreventExitStatus=2 3 9\n"
        ),
    }


def _unit(about: str, command: str, user: str, folder: Path, writes: str, *, extra: str) -> str:
    head = f"""\
        # Made by `mien server init`.
        [Unit]
        Description={about}
        After=network-online.target
        Wants=network-online.target
        StartLimitIntervalSec=0

        [Service]
        User={user}
        ExecStart={command}
        Restart=always
        RestartSec=5
        ReadWritePaths={folder}/{writes}
        InaccessiblePaths=-{folder}/authority -{folder}/devices
        """
    used = [folder, Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()]
    home = "read-only" if any(path.is_relative_to(one) for path in used for one in HOMES) else "yes"
    tail = "\n[Install]\nWantedBy=multi-user.target\n"
    return textwrap.dedent(head) + extra + HARDENED.format(home=home) + tail


def program(name: str) -> str | None:
    """Where a program is, also where Debian keeps those that only root used to need."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
