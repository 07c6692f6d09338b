"""A private certificate authority: it signs the MQTT broker's certificate and one for each device and collector."""

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mien.errors import ConfigurationError

AUTHORITY_DAYS = 20 * 365
CERTIFICATE_DAYS = 10 * 365
"""A device on a wall is not visited for a new certificate: it is revoked when it goes. TLS libraries take any length
from a private authority."""
REVOCATIONS_DAYS = AUTHORITY_DAYS
"""mosquitto refuses everybody when its list of revocations has run out, and nobody would be there to renew it."""
HOLDS_FROM = datetime(2020, 1, 1, tzinfo=UTC)
"""A Pi has no clock battery: before it has heard of the time, perhaps for ever, it lives when its system was built."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its private key, as PEM."""

    certificate: bytes
    key: bytes

    @property
    def serial(self) -> int:
        """The certificate's number, by which it is revoked."""
        return x509.load_pem_x509_certificate(self.certificate).serial_number


LONGEST_NAME = 64
"""Of an X.509 common name (RFC 5280, ub-common-name); hosts are known by their alternative names, which are whole."""


class Authority:
    """The authority in a folder: its certificate `ca.crt`, for all to know, and its key `ca.key`, for nobody."""

    def __init__(self, folder: Path) -> None:
        """Open it. ConfigurationError if there is none."""
        self._folder = folder
        try:
            self.certificate = (folder / "ca.crt").read_bytes()
            key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
            self._issuer = x509.load_pem_x509_certificate(self.certificate)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"{folder} holds no authority ({error}): make one with `mien server init`"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigurationError(f"{folder}/ca.key is not a key of mien's: put back the one that was there")
        self._key = key

    @classmethod
    def found(cls, folder: Path, name: str) -> "Authority":
        """Make a new one."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _named(f"mien authority of {name}")
        certificate = (
            _begun(subject, subject, key, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        write_secret(folder / "ca.key", _private(key))
        (folder / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return cls(folder)

    def server(self, hosts: Sequence[str]) -> Identity:
        """An identity for a broker that is reached by these names and addresses."""
        names = x509.SubjectAlternativeName([_alternative(host) for host in hosts])
        return self._issue(hosts[0], ExtendedKeyUsageOID.SERVER_AUTH, [names])

    def client(self, name: str, *, days: int = CERTIFICATE_DAYS) -> Identity:
        """An identity for a device or a collector; the broker knows it by this name."""
        return self._issue(name, ExtendedKeyUsageOID.CLIENT_AUTH, [], days=days)

    def revocations(self, serials: Sequence[int]) -> bytes:
        """The list of certificates that hold no more, as PEM."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._issuer.subject)
            .last_update(HOLDS_FROM)
            .next_update(datetime.now(UTC) + timedelta(days=REVOCATIONS_DAYS))
        )
        for serial in serials:
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(HOLDS_FROM).build()
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
            _begun(_named(name), self._issuer.subject, key, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Identity(certificate.public_bytes(serialization.Encoding.PEM), _private(key))


def write_secret(file: Path, content: bytes) -> None:
    """Write a file that its owner alone may read, and never another, not even while it is written."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as secret:
        secret.write(content)


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(HOLDS_FROM)
        .not_valid_after(datetime.now(UTC) + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:LONGEST_NAME])])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())
