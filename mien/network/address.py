"""Host names and addresses as people write them, and the right form for a setting that takes nothing else."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

MAX_HOST_LENGTH = 253
"""RFC 1035, section 2.3.4."""
MAX_PORT = 65535
HOST_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?")
"""Underscores are not of the standard, but containers have such names."""
WRITTEN_ADDRESS = re.compile(
    r"\s*(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?:(?P<account>.*)@)?(?P<host>\[[^\]]*\]|[^/?#]*?)"
    r"(?P<path>[/?#].*)?\s*",
    re.DOTALL,
)
HOST_AND_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenAddress:
    """What somebody wrote in the place of a host: `mqtt://name:password@broker.lan:1883/mqtt` at its longest."""

    host: str
    """Without anything around it."""
    port: int | None
    scheme: str
    """In lower case; empty if there is none."""
    path: str
    """Empty if there is none, or nothing but a slash."""
    has_account: bool
    is_plain: bool
    """Whether it is the host alone, in the form that can be connected to."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """ValueError, with the fix, if no host can be found in it; the line does not repeat what may be a password."""
        match = WRITTEN_ADDRESS.fullmatch(text)
        host, port = (match["host"].strip(), None) if match else ("", None)
        if match and not is_ip_address(host) and (parts := HOST_AND_PORT.fullmatch(host)):
            host, port = parts["host"].strip(), int(parts["port"])
        host = host.removeprefix("[").removesuffix("]")
        if match is None or not is_host(host) or (port is not None and not 1 <= port <= MAX_PORT):
            quoted = "" if "@" in text else f" {text!r}"
            raise ValueError(
                f"host{quoted} is neither a name nor an address: set it to a name such as broker.lan, "
                "or an address such as 192.168.1.10 or fd00::10"
            )
        return cls(
            host=host,
            port=port,
            scheme=(match["scheme"] or "").lower(),
            path="" if match["path"] in (None, "/") else match["path"],
            has_account=match["account"] is not None,
            is_plain=host == text,
        )

    def surplus(self) -> str:
        """What surrounds the host, in words; empty if it is plain."""
        parts = {
            "a scheme": bool(self.scheme),
            "an account": self.has_account,
            "a port": self.port is not None,
            "a path": bool(self.path),
        }
        present = [name for name, is_present in parts.items() if is_present]
        return in_words(present) if self.is_plain or present else "brackets, spaces or slashes"

    def settings(self) -> list[str]:
        """The settings, as a TOML file has them, that say the same: host, and port if there is one."""
        return [f'host = "{self.host}"', *([f"port = {self.port}"] if self.port is not None else [])]


def in_words(items: Sequence[str]) -> str:
    """`a, b and c`; empty without items."""
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def is_host(text: str) -> bool:
    """Whether it is an IP address, or a host name in its whole or local form, not necessarily one that exists."""
    if is_ip_address(text):
        return True
    try:
        name = text.encode("idna").decode().removesuffix(".")
    except UnicodeError:  # an empty or too long label, or characters that no name has
        return False
    labels = name.split(".")
    has_valid_labels = all(HOST_LABEL.fullmatch(label) for label in labels)
    return has_valid_labels and len(name) <= MAX_HOST_LENGTH and not labels[-1].isdigit()


def is_ip_address(text: str) -> bool:
    """Whether it is an address of IPv4 or IPv6, without brackets."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
