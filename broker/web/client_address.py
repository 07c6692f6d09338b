"""Where a request comes from."""

from ipaddress import IPv6Address, ip_address

from fastapi import Request

from mien.mqtt.settings import LOOPBACK

UNKNOWN = "unknown"
IPV6_NETWORK_BITS = 64
"""What one household or server is given at least (RFC 6177): within it, an attacker may use any address."""


def client_address(request: Request, *, is_proxied: bool) -> str:
    """The address of a request's client.

    is_proxied: whether a reverse proxy on this machine may say whose request it passes on, in the last entry of
    X-Forwarded-For, which is the one that it has added itself.
    """
    peer = request.client.host if request.client else UNKNOWN
    if is_proxied and peer in LOOPBACK:
        forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        try:
            return str(ip_address(forwarded))
        except ValueError:
            return peer
    return peer


def to_network(address: str) -> str:
    """What counts as one client: an IPv4 address, or the first half of an IPv6 address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    host_bits = 128 - IPV6_NETWORK_BITS
    return f"{IPv6Address(int(parsed) >> host_bits << host_bits)}/{IPV6_NETWORK_BITS}"
