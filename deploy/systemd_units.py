"""systemd units: the MQTT broker, the collector and the dashboard of a server folder, and a device's agent."""

import os
import shutil
import sys
import textwrap
from pathlib import Path, PurePath

HARDENING = """\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome={home}
PrivateTmp=yes
PrivateDevices=yes
PrivateMounts=yes
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
"""For programs that need the network and one folder. ProtectClock= even refuses to tell whether the clock is right, so
mien/clock_sync.py asks timedated instead, over the socket of D-Bus (AF_UNIX)."""
HOMES = ("/home", "/root", "/var/home")
"""What ProtectHome= hides: units whose folder or Python is below these need them readable."""
DASHBOARD_FILES = 4096
"""More than the 1,024 connections that the dashboard holds open at most."""
AGENT_UNIT = "mien-agent.service"
AGENT = """\
# Made by mien; the next release overwrites it. Put changes into /etc/systemd/system/mien-agent.service.d/.
[Unit]
Description=mien's agent: reads facial expressions when something moves
Documentation=file:///etc/mien/agent.toml
StartLimitIntervalSec=0

[Service]
Type=notify
User=mien
ExecStart=/usr/bin/python3 -P -m mien agent --config /etc/mien/agent.toml
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
# Errors that a restart cannot fix: wrong options, a wrong configuration, a missing package.
RestartPreventExitStatus=2 3 9
MemoryMax=60%
DevicePolicy=closed
DeviceAllow=char-gpiochip rw
DeviceAllow=char-video4linux rw
DeviceAllow=char-media rw
DeviceAllow=char-dma_heap rw
"""
"""The agent may use the pins, cameras and what they need, and write its outbox. edge/health/watchdog.py sends `notify`.
Versions of systemd older than trixie's ignore the two lines that lengthen the pauses between restarts."""
OMITTED_FOR_AGENT = ("PrivateDevices=", "ProcSubset=")
"""The agent needs the devices allowed above, and /proc/cpuinfo and /proc/device-tree."""


INSTALLED_HEADER = "# Made by `mien server install`; the next upgrade overwrites it. Change it with `systemctl edit`."


def agent_unit() -> str:
    """The agent's unit on a device."""
    hardening = HARDENING.format(home="yes").replace("AF_UNIX", "AF_UNIX AF_NETLINK")  # libcamera finds cameras by it
    lines = [line for line in hardening.splitlines() if not line.startswith(OMITTED_FOR_AGENT)]
    return AGENT + "\n".join([*lines, "", "[Install]", "WantedBy=multi-user.target", ""])


def root_hardening(*writable: str | PurePath, capabilities: str = "") -> str:
    """For what root runs on a device to install or change something, without a network; lines of a unit."""
    replaced = {
        "CapabilityBoundingSet=": f"CapabilityBoundingSet={capabilities}",
        "RestrictAddressFamilies=": "RestrictAddressFamilies=AF_UNIX",  # systemctl
        "SystemCallFilter=~": "SystemCallFilter=~@privileged @resources\nSystemCallFilter=@chown",
        "UMask=": "UMask=0022",  # the agent's user reads what is installed
    }
    lines = [
        next((value for key, value in replaced.items() if line.startswith(key)), line)
        for line in HARDENING.format(home="yes").splitlines()
        if not line.startswith(("ProtectProc=", "ProcSubset="))  # systemctl looks at process 1
    ]
    lines += ["IPAddressDeny=any", f"ReadWritePaths={' '.join(map(str, writable))}"]
    return "\n".join([*lines, ""])


def server_units(folder: Path, user: str, mien: Path | None = None) -> dict[str, str]:
    """The server's units by file name, with the paths of this machine's programs.

    `mien` is the command of an installed release; by default it is the one that runs.
    """
    mosquitto = find_program("mosquitto") or "/usr/sbin/mosquitto"
    broker = f"{mosquitto} -c {folder}/mosquitto/mosquitto.conf"
    dashboard = f"{mien or _find_mien()} dashboard --config {folder}/dashboard/dashboard.toml"
    return {
        "mien-mosquitto.service": _server_unit(
            "mien's MQTT broker", broker, user, folder, "mosquitto", mien, extra="ExecReload=/bin/kill -HUP $MAINPID\n"
        ),
        "mien-collector.service": collector_unit(folder, user, "collector", mien),
        # The log is opened read-only, but SQLite writes next to it to count its readers.
        "mien-dashboard.service": _server_unit(
            "mien's dashboard",
            dashboard,
            user,
            folder,
            "collector/data",
            mien,
            extra=f"LimitNOFILE={DASHBOARD_FILES}\nRestartPreventExitStatus=2 3 9\n",
        ),
    }


def collector_unit(folder: Path, user: str, place: str, mien: Path | None = None) -> str:
    """The unit of the collector whose settings are in this folder of the server folder."""
    command = f"{mien or _find_mien()} collect --config {folder}/{place}/collector.toml"
    # Exit codes that a restart cannot fix: wrong options, a wrong configuration, a missing package.
    extra = "RestartPreventExitStatus=2 3 9\n"
    return _server_unit("mien's collector", command, user, folder, place, mien, extra=extra)


def _find_mien() -> str:
    return shutil.which("mien", path=str(Path(sys.executable).parent)) or "/usr/local/bin/mien"


def _server_unit(
    description: str, command: str, user: str, folder: Path, writable: str, mien: Path | None, *, extra: str
) -> str:
    head = f"""\
        {INSTALLED_HEADER if mien else "# Made by `mien server init`."}
        [Unit]
        Description={description}
        After=network-online.target
        Wants=network-online.target
        StartLimitIntervalSec=0

        [Service]
        User={user}
        ExecStart={command}
        Restart=always
        RestartSec=5
        ReadWritePaths={folder}/{writable}
        InaccessiblePaths=-{folder}/certificate-authority -{folder}/devices
        """
    used = [folder, *([mien] if mien else [Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()])]
    protect_home = "read-only" if any(path.is_relative_to(home) for path in used for home in HOMES) else "yes"
    tail = "\n[Install]\nWantedBy=multi-user.target\n"
    return textwrap.dedent(head) + extra + HARDENING.format(home=protect_home) + tail


def find_program(name: str) -> str | None:
    """The path of a program; also searches the folders where Debian keeps programs for root."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
