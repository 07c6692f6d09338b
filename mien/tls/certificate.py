"""When a certificate expires, read with the standard library alone: devices and collectors have no other."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

EXPIRES_SOON = timedelta(days=60)
"""How long before a certificate expires its operator is warned."""
CONSTRUCTED = 0xA0
"""The tag of a certificate's version, which the first version of X.509 leaves out (RFC 5280, 4.1)."""
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18


def read_expiry(file: Path) -> datetime:
    """When the first certificate of a PEM file expires. OSError or ValueError if it cannot be read."""
    text = file.read_text(encoding="ascii")
    begin = text.find(ssl.PEM_HEADER)
    return expiry_of(ssl.PEM_cert_to_DER_cert(text[begin : text.find(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)]))


def expiry_of(certificate: bytes) -> datetime:
    """When a certificate, in DER, expires: its notAfter (RFC 5280, 4.1.2.5). ValueError if it is none."""
    _, body = _first(certificate)
    _, rest = _first(body)
    tag, _ = _first(rest)
    for _ in range(4 if tag == CONSTRUCTED else 3):  # version, serial number, algorithm, issuer
        rest = rest[_end(rest) :]
    _, validity = _first(rest)
    tag, value = _first(validity[_end(validity) :])
    if tag not in (UTC_TIME, GENERALIZED_TIME):
        raise ValueError("this is not an X.509 certificate")
    text = value.decode("ascii")
    if tag == UTC_TIME:  # two digits of the year: 1950 to 2049
        text = f"{'19' if text >= '50' else '20'}{text}"
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _first(data: bytes) -> tuple[int, bytes]:
    """Tag and content of the first element of DER data (ITU-T X.690)."""
    end = _end(data)
    length = data[1]
    return data[0], data[2 + (length & 0x7F if length & 0x80 else 0) : end]


def _end(data: bytes) -> int:
    """Where the first element ends. ValueError if it does not."""
    if len(data) < 2:
        raise ValueError("this is not an X.509 certificate")
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    if start + length > len(data):
        raise ValueError("this certificate is incomplete")
    return start + length
