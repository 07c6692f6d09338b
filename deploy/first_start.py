"""What sets a Raspberry Pi up at its first start: cloud-init's three files (trixie), or a script (bookworm).

Both put a unit in place and no more: it runs the kit's installer at each start until the device's key has left the
card. What sets a Pi up once only would not come back after a power cut in the midst of it.

cloud-init reads YAML, of which JSON is a part: so the files are written as JSON, and nothing in a name or a password
needs quoting. Formats: https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
"""

import hashlib
import json
import re
import shlex
import zoneinfo
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from mien.errors import UsageError

KIT = PurePosixPath("/boot/firmware/mien")
"""Where the Pi finds the kit: the boot partition is mounted there."""
IMAGER_CUSTOM = "/usr/lib/raspberrypi-sys-mods/imager_custom"
SETUP_UNIT = "mien-setup.service"
SETUP = """\
# Made by `mien flash`.
[Unit]
Description=Sets up mien's agent from the card's boot partition
ConditionPathExists={kit}/device/device.key
RequiresMountsFor={kit}
StartLimitIntervalSec=1h
StartLimitBurst=3

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -P {kit}/installer.py{options}
Restart=on-failure
RestartSec=30
TimeoutStartSec=20min

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wifi:
    """A wireless network."""

    name: str
    key: str
    """The pre-shared key, 64 hexadecimal digits: with it the passphrase is on no card."""
    country: str
    """ISO 3166 code of the country, whose rules the radio keeps; without one it stays off."""

    @classmethod
    def of(cls, name: str, passphrase: str, country: str) -> "Wifi":
        """By its passphrase (IEEE 802.11i, H.4: PBKDF2 of HMAC-SHA-1, 4,096 rounds). UsageError if it can be none."""
        try:
            passphrase.encode(), name.encode()
        except UnicodeEncodeError as error:
            raise UsageError("the Wi-Fi's name or passphrase is not UTF-8: set a UTF-8 locale") from error
        if not 8 <= len(passphrase.encode()) <= 63:
            raise UsageError("a Wi-Fi passphrase has 8 to 63 characters (WPA2, also beside WPA3)")
        if not 1 <= len(name.encode()) <= 32:
            raise UsageError(f"{name!r} is no name of a Wi-Fi network: 1 to 32 bytes")
        if not re.fullmatch("[A-Z]{2}", country):
            raise UsageError(f"{country!r} is no country: two capital letters, NL say")
        key = hashlib.pbkdf2_hmac("sha1", passphrase.encode(), name.encode(), 4096, 32)
        return cls(name=name, key=key.hex(), country=country)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStart:
    """What a Pi becomes at its first start."""

    instance: str
    """A new one is set up again."""
    hostname: str
    timezone: str | None = None
    wifi: Wifi | None = None
    ssh_key: str | None = None
    """A public key; without one nobody can log in over the network."""
    user: str = "pi"
    """Who logs in with that key."""
    replace: bool = False
    """Take a Pi that is another device."""

    def __post_init__(self) -> None:
        """UsageError for what a Pi would silently ignore."""
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", self.hostname):
            raise UsageError(f"{self.hostname!r} is no host name: lower-case letters, digits and hyphens, at most 63")
        if self.timezone is not None and self.timezone not in zoneinfo.available_timezones():
            raise UsageError(f"{self.timezone!r} is no time zone: one like Europe/Amsterdam")
        if self.user in ("root", "mien"):
            raise UsageError(f"{self.user} cannot log in: root is locked, and mien is the agent's own account")
        if not re.fullmatch("[a-z_][a-z0-9_-]{0,31}", self.user):
            raise UsageError(f"{self.user!r} is no user name: lower-case letters, digits, hyphens, at most 32")
        if self.ssh_key is not None and not re.match(r"(ssh-|ecdsa-|sk-)\S+ \S+[^\n]*$", self.ssh_key):
            raise UsageError("the SSH key is no public key: name the file that ends in .pub")


def setup_unit(first: FirstStart) -> str:
    """The unit that installs the kit, and has nothing to do once the device's key is in its place."""
    return SETUP.format(kit=KIT, options=" --replace" if first.replace else "")


def files(first: FirstStart) -> dict[str, bytes]:
    """cloud-init's three files by name."""
    return {
        "user-data": b"#cloud-config\n" + _json(_user_data(first)),
        "meta-data": _json({"instance-id": first.instance, "dsmode": "local"}),
        "network-config": _json(_network(first.wifi)),
    }


def _user_data(first: FirstStart) -> dict[str, Any]:
    data: dict[str, Any] = {"hostname": first.hostname, "manage_etc_hosts": True, "ssh_pwauth": False}
    # Not runcmd, which does not come back after a power cut. The boot partition may not be mounted yet.
    start = f"systemctl daemon-reload; systemctl --no-block start {SETUP_UNIT}"
    data["bootcmd"] = [["cloud-init-per", "instance", "mien-setup", "sh", "-c", f"{_setup(first)}; {start}"]]
    if first.timezone is not None:
        data["timezone"] = first.timezone
    if first.ssh_key is not None:
        data["user"] = {
            "name": first.user,
            "lock_passwd": True,
            "sudo": "ALL=(ALL) NOPASSWD:ALL",  # it has no password to ask for
            "ssh_authorized_keys": [first.ssh_key],
        }
        data["runcmd"] = [["systemctl", "enable", "--now", "ssh"]]
    return data


def _setup(first: FirstStart) -> str:
    """The shell's command that puts the unit in its place, safe on the card before it ends."""
    unit = shlex.quote(setup_unit(first))
    return f"printf %s {unit} >/etc/systemd/system/{SETUP_UNIT}; systemctl enable {SETUP_UNIT}; sync"


def _network(wifi: Wifi | None) -> dict[str, Any]:
    network: dict[str, Any] = {"version": 2, "ethernets": {"eth0": {"dhcp4": True, "optional": True}}}
    if wifi is not None:
        points = {wifi.name: {"password": wifi.key}}
        radio = {"dhcp4": True, "optional": True, "regulatory-domain": wifi.country, "access-points": points}
        network["wifis"] = {"wlan0": radio}
    return {"network": network}


def _json(values: dict[str, Any]) -> bytes:
    """JSON that is YAML, too: whose \\u escapes know no pairs of surrogates, as JSON's do."""
    text = json.dumps(values, indent=2, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in text).encode() + b"\n"


def first_run(first: FirstStart) -> bytes:
    """The script that bookworm's kernel command line starts once; it uses what Raspberry Pi Imager's own uses."""
    custom = [IMAGER_CUSTOM]
    commands = [[*custom, "set_hostname", first.hostname]]
    if first.ssh_key is not None:
        commands += [[*custom, "enable_ssh", "-k", first.ssh_key], ["/usr/lib/userconf-pi/userconf", first.user, "*"]]
    if first.wifi is not None:
        if re.search(r"^[- ]|[\x00-\x1f\x7f\\;]| $", first.wifi.name):
            raise UsageError(f"bookworm would misread the Wi-Fi's name {first.wifi.name!r}: take trixie, or rename it")
        commands += [[*custom, "set_wlan", first.wifi.name, first.wifi.key, first.wifi.country]]
    if first.timezone is not None:
        commands += [[*custom, "set_timezone", first.timezone]]
    lines = ["#!/bin/bash", f"# Made by `mien flash`, {first.instance}.", *(shlex.join(line) for line in commands)]
    # The command line last: until then the next start begins anew.
    lines += [_setup(first), "cd /boot/firmware"]
    lines += ["sed 's| systemd.run.*||' cmdline.txt >cmdline.new && sync && mv cmdline.new cmdline.txt", "sync"]
    lines += ["rm -f firstrun.sh", "exit 0"]
    return "\n".join([*lines, ""]).encode()


def command_line(before: str, first: FirstStart, *, cloud_init: bool) -> str:
    """The kernel's command line, one line, that has the Pi set up as this instance."""
    ours = ("ds=nocloud", "systemd.run", "systemd.unit=kernel-command-line.target")
    words = [word for word in before.split() if not word.startswith(ours)]
    if cloud_init:
        words.append(f"ds=nocloud;i={first.instance}")
    else:
        words += ["systemd.run=/boot/firmware/firstrun.sh", "systemd.run_success_action=reboot"]
        words.append("systemd.unit=kernel-command-line.target")
    return " ".join(words) + "\n"
