"""A private certificate authority: it signs the certificates of the MQTT broker, of devices and of collectors."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mien.errors import ConfigurationError
from mien.files.atomic_file import write_file, write_secret

AUTHORITY_DAYS = 20 * 365
CERTIFICATE_DAYS = 10 * 365
"""Nobody visits a device on a wall to renew its certificate: it is revoked when the device is removed. TLS libraries
accept any validity from a private certificate authority."""
REVOCATION_LIST_DAYS = AUTHORITY_DAYS
"""mosquitto refuses every client once its certificate revocation list has expired, and nobody would renew it."""
VALID_FROM = datetime(2020, 1, 1, tzinfo=UTC)
"""A Pi has no battery-backed clock: until it learns the time, if ever, its clock shows when its system was built."""
MAX_COMMON_NAME = 64
"""Length of an X.509 common name (RFC 5280, ub-common-name); hosts are identified by their full alternative names."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its private key, as PEM."""

    certificate: bytes
    key: bytes

    @property
    def serial(self) -> int:
        """The certificate's serial number, by which it is revoked."""
        return x509.load_pem_x509_certificate(self.certificate).serial_number

    def write(self, stem: Path) -> None:
        """Write STEM.key, which only its owner can read, and STEM.crt."""
        write_secret(stem.with_suffix(".key"), self.key)
        write_file(stem.with_suffix(".crt"), self.certificate)  # last: an identity exists once its certificate does


class CertificateAuthority:
    """The certificate authority in a folder: its public certificate `ca.crt`, and its secret key `ca.key`."""

    def __init__(self, folder: Path) -> None:
        """Open it. ConfigurationError if there is none."""
        self._folder = folder
        try:
            self.certificate = (folder / "ca.crt").read_bytes()
            key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
            self._issuer = x509.load_pem_x509_certificate(self.certificate)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"{folder} holds no certificate authority ({error}): create one with `mien server init`"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigurationError(f"{folder}/ca.key was not made by mien: restore the original key")
        self._key = key

    @classmethod
    def create(cls, folder: Path, name: str) -> "CertificateAuthority":
        """Create a new one, named after the server."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        write_secret(folder / "ca.key", _to_pem(key))
        write_file(folder / "ca.crt", _certify_itself(_common_name(f"mien certificate authority of {name}"), key))
        return cls(folder)

    def renew(self) -> None:
        """Replace its certificate by one that begins its validity anew, of the same name and key: certificates that it
        issued stay valid, and devices that have the old one accept what it issues until that expires."""
        self.certificate = _certify_itself(self._issuer.subject, self._key)
        self._issuer = x509.load_pem_x509_certificate(self.certificate)
        write_file(self._folder / "ca.crt", self.certificate)

    def issue_server(self, hosts: Sequence[str]) -> Identity:
        """An identity for a server that is reached by these host names and addresses."""
        alternative_names = x509.SubjectAlternativeName([_alternative_name(host) for host in hosts])
        return self._issue(hosts[0], ExtendedKeyUsageOID.SERVER_AUTH, [alternative_names])

    def issue_client(self, name: str, *, days: int = CERTIFICATE_DAYS) -> Identity:
        """An identity for a device or a collector, which the MQTT broker knows by this name."""
        return self._issue(name, ExtendedKeyUsageOID.CLIENT_AUTH, [], days=days)

    def revocation_list(self, serials: Sequence[int]) -> bytes:
        """The certificate revocation list with these serial numbers, as PEM."""
        # mosquitto keeps the lists that it has read, and OpenSSL believes the one with the latest date of issue. This
        # date is a count: it grows with each revocation, and no clock that is behind can make it invalid.
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._issuer.subject)
            .last_update(VALID_FROM + timedelta(seconds=len(serials)))
            .next_update(datetime.now(UTC) + timedelta(days=REVOCATION_LIST_DAYS))
        )
        for serial in serials:
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(VALID_FROM).build()
            builder = builder.add_revoked_certificate(revoked)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _issue(
        self,
        name: str,
        purpose: x509.ObjectIdentifier,
        extensions: Sequence[x509.ExtensionType],
        *,
        days: int = CERTIFICATE_DAYS,
    ) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _certificate_builder(_common_name(name), self._issuer.subject, key, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(is_authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Identity(certificate.public_bytes(serialization.Encoding.PEM), _to_pem(key))


def _certify_itself(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> bytes:
    certificate = (
        _certificate_builder(subject, subject, key, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(is_authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def _certificate_builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(VALID_FROM)
        .not_valid_after(datetime.now(UTC) + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:MAX_COMMON_NAME])])


def _alternative_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _to_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    encoding, key_format = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, key_format, serialization.NoEncryption())
