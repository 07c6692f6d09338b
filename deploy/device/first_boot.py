"""What sets a Raspberry Pi up at its first boot: cloud-init's three files (trixie) or a script (bookworm).

Both only install a unit, which runs the bundle's installer at each boot until the device's key has left the SD card.
Something that runs once would not be repeated after a power cut halfway through.

cloud-init reads YAML, of which JSON is a subset: the files are written as JSON, so that no name or password needs the
quoting of YAML. Formats: https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
"""

import json
import re
import shlex
import zoneinfo
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from mien.deploy.systemd_units import root_hardening
from mien.errors import UsageError

from .wifi import Wifi

BUNDLE = PurePosixPath("/boot/firmware/mien")
"""The bundle's folder on the Pi, which mounts the boot partition at /boot/firmware."""
FIRSTRUN = "firstrun.sh"
"""The script in the boot partition that sets up bookworm; installer/wifi_key.py deletes it if it contains a key."""
IMAGER_CUSTOM = "/usr/lib/raspberrypi-sys-mods/imager_custom"
FIRST_BOOT_UNIT = "mien-first-boot.service"
FIRST_BOOT = """\
# Made by `mien flash`.
[Unit]
Description=Installs mien's agent from the SD card's boot partition
ConditionPathExists={bundle}/device/device.key
RequiresMountsFor={bundle}
StartLimitIntervalSec=1h
StartLimitBurst=3

[Service]
Type=oneshot
ExecStart=/bin/sh {bundle}/install.sh{options}
Restart=on-failure
RestartSec=30
TimeoutStartSec=20min
PrivateNetwork=yes
{hardening}
[Install]
WantedBy=multi-user.target
"""
INSTALLED = ("/etc", "/opt", "/usr/local", "/var")
"""What the installer writes, besides the bundle."""
CAPABILITIES = "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER"
"""Of root's: the installer makes the agent's user, and gives it its files."""
WIFI_KEY_UNIT = "mien-wifi-key.service"
WIFI_KEY_MARKER = "wifi-key-on-card"
"""The file in the bundle by which installer/wifi_key.py knows that the boot partition contains the Wi-Fi's key."""
FIRST_BOOT_FLAG = "/run/mien-first-boot"
"""Exists until the end of the boot in which cloud-init sets the Pi up."""
WIFI_KEY = """\
# Made by `mien flash`.
[Unit]
Description=Removes the Wi-Fi's key from the SD card's boot partition once the Pi has joined with its own copy
ConditionPathExists={bundle}/{marker}
ConditionPathExists=!{flag}
RequiresMountsFor={bundle}
After=cloud-init.service cloud-init-network.service

[Service]
Type=exec
ExecStart=/bin/sh {bundle}/install.sh forget-wifi-key
{hardening}
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstBoot:
    """What the first boot sets up on a Pi."""

    instance_id: str
    """A new one is set up again."""
    hostname: str
    timezone: str | None = None
    wifi: Wifi | None = None
    ssh_key: str | None = None
    """A public key; without one nobody can log in over the network."""
    user: str = "pi"
    """The account that logs in with that key."""
    replace: bool = False
    """Install even if the Pi is another device."""

    @property
    def has_wifi_key(self) -> bool:
        """Whether the boot partition gets the key of a Wi-Fi network, which has to leave it again."""
        return self.wifi is not None and self.wifi.psk is not None

    def __post_init__(self) -> None:
        """UsageError for values that a Pi would silently ignore."""
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", self.hostname):
            raise UsageError(
                f"{self.hostname!r} is not a valid host name: lower-case letters, digits and hyphens, at most 63"
            )
        if self.timezone is not None and self.timezone not in zoneinfo.available_timezones():
            raise UsageError(f"{self.timezone!r} is not a time zone: use one such as Europe/Amsterdam")
        if self.user in ("root", "mien"):
            raise UsageError(f"{self.user} cannot log in, root is locked and mien is the agent's: use another --user")
        if not re.fullmatch("[a-z_][a-z0-9_-]{0,31}", self.user):
            raise UsageError(f"{self.user!r} is not a valid user name: lower-case letters, digits, hyphens, at most 32")
        if self.ssh_key is not None and not re.match(r"(ssh-|ecdsa-|sk-)\S+ \S+[^\n]*$", self.ssh_key):
            raise UsageError("the SSH key is not a public key: name the file that ends in .pub")


def first_boot_unit(first_boot: FirstBoot) -> str:
    """The unit that installs the bundle; it does nothing once the device's key has been installed."""
    hardening = root_hardening(BUNDLE.parent, *INSTALLED, capabilities=CAPABILITIES)
    return FIRST_BOOT.format(bundle=BUNDLE, options=" --replace" if first_boot.replace else "", hardening=hardening)


def wifi_key_unit() -> str:
    """The unit that, from the second boot on, removes the Wi-Fi's key from the boot partition."""
    hardening = root_hardening(BUNDLE.parent)
    return WIFI_KEY.format(bundle=BUNDLE, marker=WIFI_KEY_MARKER, flag=FIRST_BOOT_FLAG, hardening=hardening)


def cloud_init_files(first_boot: FirstBoot) -> dict[str, bytes]:
    """cloud-init's three files by name."""
    return {
        "user-data": b"#cloud-config\n" + _to_yaml(_user_data(first_boot)),
        "meta-data": _to_yaml({"instance-id": first_boot.instance_id, "dsmode": "local"}),
        "network-config": _to_yaml(_network_config(first_boot.wifi)),
    }


def _user_data(first_boot: FirstBoot) -> dict[str, Any]:
    data: dict[str, Any] = {"hostname": first_boot.hostname, "manage_etc_hosts": True, "ssh_pwauth": False}
    # Not runcmd, which is not repeated after a power cut. The boot partition may not be mounted yet.
    units = {FIRST_BOOT_UNIT: first_boot_unit(first_boot)}
    if first_boot.has_wifi_key:
        units[WIFI_KEY_UNIT] = wifi_key_unit()
    start = f"systemctl daemon-reload; systemctl --no-block start {FIRST_BOOT_UNIT}"
    command = f"touch {FIRST_BOOT_FLAG}; {_install_units(units)}; {start}"
    data["bootcmd"] = [["cloud-init-per", "instance", "mien-first-boot", "sh", "-c", command]]
    if first_boot.timezone is not None:
        data["timezone"] = first_boot.timezone
    if first_boot.ssh_key is not None:
        data["user"] = {
            "name": first_boot.user,
            "lock_passwd": True,
            "sudo": "ALL=(ALL) NOPASSWD:ALL",  # it has no password to ask for
            "ssh_authorized_keys": [first_boot.ssh_key],
        }
        data["runcmd"] = [["systemctl", "enable", "--now", "ssh"]]
    return data


def _install_units(units: dict[str, str]) -> str:
    """A shell command that installs units by file name, and returns once they are safely on the SD card."""
    commands = [f"printf %s {shlex.quote(unit)} >/etc/systemd/system/{name}" for name, unit in units.items()]
    return "; ".join([*commands, f"systemctl enable {' '.join(units)}", "sync"])


def _network_config(wifi: Wifi | None) -> dict[str, Any]:
    network: dict[str, Any] = {"version": 2, "ethernets": {"eth0": {"dhcp4": True, "optional": True}}}
    if wifi is not None:
        access_point = ({"hidden": True} if wifi.is_hidden else {}) | ({"password": wifi.psk} if wifi.psk else {})
        wlan = {"dhcp4": True, "optional": True, "regulatory-domain": wifi.country}
        wlan["access-points"] = {wifi.ssid: access_point}
        network["wifis"] = {"wlan0": wlan}
    return {"network": network}


def _to_yaml(values: dict[str, Any]) -> bytes:
    """JSON that is valid YAML as well, whose \\u escapes do not know the surrogate pairs of JSON's."""
    text = json.dumps(values, indent=2, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in text).encode() + b"\n"


def firstrun_script(first_boot: FirstBoot) -> bytes:
    """The script that bookworm's kernel command line runs once; it calls the same programs as Raspberry Pi Imager's."""
    commands = [[IMAGER_CUSTOM, "set_hostname", first_boot.hostname]]
    if first_boot.ssh_key is not None:
        commands += [
            [IMAGER_CUSTOM, "enable_ssh", "-k", first_boot.ssh_key],
            ["/usr/lib/userconf-pi/userconf", first_boot.user, "*"],
        ]
    if first_boot.wifi is not None:
        wifi = first_boot.wifi
        if re.search(r"^[- ]|[\x00-\x1f\x7f\\;]| $", wifi.ssid):
            raise UsageError(f"bookworm misreads the Wi-Fi's name {wifi.ssid!r}: use trixie, or rename the network")
        options = ["-h"] if wifi.is_hidden else []
        commands += [[IMAGER_CUSTOM, "set_wlan", *options, wifi.ssid, wifi.psk or "", wifi.country]]
    if first_boot.timezone is not None:
        commands += [[IMAGER_CUSTOM, "set_timezone", first_boot.timezone]]
    lines = ["#!/bin/bash", f"# Made by `mien flash`, {first_boot.instance_id}.", *map(shlex.join, commands)]
    units = {FIRST_BOOT_UNIT: first_boot_unit(first_boot)}
    if first_boot.has_wifi_key:
        units[WIFI_KEY_UNIT] = wifi_key_unit()  # which deletes this script: it contains the key
    # The command line is restored last: until then the next boot runs the script again.
    lines += [_install_units(units), "cd /boot/firmware"]
    lines += ["sed 's| systemd.run.*||' cmdline.txt >cmdline.new && sync && mv cmdline.new cmdline.txt", "sync"]
    if not first_boot.has_wifi_key:
        lines += [f"rm {FIRSTRUN}", "sync"]
    lines += ["exit 0"]
    return "\n".join([*lines, ""]).encode()


def kernel_command_line(current: str, first_boot: FirstBoot, *, cloud_init: bool) -> str:
    """The kernel command line, one line, that makes the next boot set the Pi up as this instance."""
    own_prefixes = ("ds=nocloud", "systemd.run", "systemd.unit=kernel-command-line.target")
    parameters = [parameter for parameter in current.split() if not parameter.startswith(own_prefixes)]
    if cloud_init:
        parameters.append(f"ds=nocloud;i={first_boot.instance_id}")
    else:
        parameters += [f"systemd.run={BUNDLE.parent}/{FIRSTRUN}", "systemd.run_success_action=reboot"]
        parameters.append("systemd.unit=kernel-command-line.target")
    return " ".join(parameters) + "\n"
