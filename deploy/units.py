"""systemd's units of the server: the MQTT broker and the collector of one folder."""

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
CapabilityBoundingSet=
AmbientCapabilities=
UMask=0077
"""
"""For programs that need the network and one folder."""


def units(folder: Path, user: str) -> dict[str, str]:
    """The units' files by name, for programs where this machine has them."""
    mosquitto = program("mosquitto")
    mien = shutil.which("mien", path=str(Path(sys.executable).parent)) or "/usr/local/bin/mien"
    broker = f"{mosquitto or '/usr/sbin/mosquitto'} -c {folder}/broker/mosquitto.conf"
    collector = f"{mien} collect --config {folder}/collector/collector.toml"
    return {
        "mien-broker.service": _unit(
            "mien's MQTT broker", broker, user, folder, "broker", extra="ExecReload=/bin/kill -HUP $MAINPID\n"
        ),
        # Nothing that another start would mend: wrong options, a configuration or a package that is not there.
        "mien-collector.service": _unit(
            "mien's collector", collector, user, folder, "collector", extra="RestartPreventExitStatus=2 3 9\n"
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
        """
    home = "read-only" if str(folder).startswith("/home/") else "yes"
    tail = "\n[Install]\nWantedBy=multi-user.target\n"
    return textwrap.dedent(head) + extra + HARDENED.format(home=home) + tail


def program(name: str) -> str | None:
    """Where a program is, also where Debian keeps those that only root used to need."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
