"""New certificates for a server: before they expire, or for other host names."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from mien.files.atomic_file import SECRET, write_file
from mien.files.text_file import read_text

from .certificate_authority import CertificateAuthority, Identity
from .folder import ServerFolder, check_host


@dataclass(frozen=True, slots=True)
class Renewal:
    """What was renewed."""

    certificates: list[Path]
    """The server's own, the certificate authority's first."""
    expires_at: datetime
    """When the first of them expires."""
    devices_until: datetime
    """Until when devices that have the authority's former certificate accept the server."""


def renew(folder: ServerFolder) -> Renewal:
    """Renew the certificates of the authority, which keeps its key, and of everything on the server.

    Devices go on with what they have: with their own certificates, and with the authority's former certificate until
    that expires.
    """
    authority_file = folder.path / "certificate-authority" / "ca.crt"
    devices_until = _expiry(authority_file)
    authority = CertificateAuthority(authority_file.parent)
    authority.renew()
    for file in folder.path.rglob("ca.crt"):
        if file != authority_file:
            write_file(file, authority.certificate)
    renewed = [authority_file]
    for file in _own_certificates(folder.path):
        _reissue(authority, file).write(file.with_suffix(""))
        renewed.append(file)
    folder.write_access_lists()
    return Renewal(renewed, min(map(_expiry, renewed)), devices_until)


def rename_host(folder: ServerFolder, hosts: Sequence[str], *, keep_old: bool) -> list[str]:
    """Make the server known by these host names, the first for devices from now on; returns the devices whose settings
    in this folder changed. With `keep_old` its certificates also hold the former names.

    UsageError if a host name is not valid. The running programs need a restart.
    """
    for host in hosts:
        check_host(host)
    former = folder.server.hosts
    names = list(dict.fromkeys([*hosts, *(former if keep_old else [])]))
    authority = CertificateAuthority(folder.path / "certificate-authority")
    for file in _own_certificates(folder.path):
        if {*_hosts_of(file)[:1]} & {*former, *hosts}:  # not PostgreSQL's, whose clients are containers
            authority.issue_server(names).write(file.with_suffix(""))
    for file in sorted(folder.path.glob("collector*/**/*.toml")):
        _replace(file, rf'^host = "{re.escape(former[0])}"$', f'host = "{names[0]}"')
    _replace(folder.path / "compose.yaml", rf'aliases: \["{re.escape(former[0])}"\]', f'aliases: ["{names[0]}"]')
    changed = [
        device.name
        for device in folder.devices()
        if _replace(device.folder / "agent.toml", rf'^host = "{re.escape(former[0])}"$', f'host = "{names[0]}"')
    ]
    quoted = ", ".join(f'"{name}"' for name in names)
    _replace(folder.path / "server.toml", r"^hosts = .*$", f"hosts = [{quoted}]")  # last: until then it can be repeated
    folder.write_access_lists()
    return changed


def _own_certificates(path: Path) -> Iterator[Path]:
    """The certificates of the server's programs, not those of devices."""
    for file in sorted(path.rglob("*.crt")):
        if file.name != "ca.crt" and not file.is_relative_to(path / "devices"):
            yield file


def _reissue(authority: CertificateAuthority, file: Path) -> Identity:
    if hosts := _hosts_of(file):
        return authority.issue_server(hosts)
    (name,) = _read(file).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return authority.issue_client(str(name.value))


def _hosts_of(file: Path) -> list[str]:
    """The host names and addresses of a server's certificate; none in a client's."""
    try:
        names = _read(file).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]


def _expiry(file: Path) -> datetime:
    return _read(file).not_valid_after_utc


def _read(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def _replace(file: Path, pattern: str, replacement: str) -> bool:
    """Replace in a text file, atomically; False if there is nothing to replace."""
    text = read_text(file)
    changed = re.sub(pattern, lambda _: replacement, text, flags=re.MULTILINE)
    if changed == text:
        return False
    write_file(file, changed.encode(), mode=file.stat().st_mode & 0o777 | SECRET)
    return True
