"""The expiry date is the one that the cryptography package reads, for every form that a certificate can have."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mien.deploy.server.certificate_authority import CertificateAuthority
from mien.tls.certificate import expiry_of, read_expiry


def certificate(expires_at: datetime, *, name: str = "mien") -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.not_valid_before(expires_at - timedelta(days=1)).not_valid_after(expires_at)
    return builder.serial_number(x509.random_serial_number()).sign(key, hashes.SHA256())


@pytest.mark.parametrize("year", [1951, 1999, 2000, 2026, 2049, 2050, 2099, 9999])
def test_the_expiry_is_that_of_cryptography(year: int) -> None:
    """Up to 2049 the year has two digits, from 2050 on four."""
    expires_at = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    for name in ("m", "m" * 64):
        der = certificate(expires_at, name=name).public_bytes(serialization.Encoding.DER)
        assert expiry_of(der) == x509.load_der_x509_certificate(der).not_valid_after_utc == expires_at


def test_a_file_may_contain_text_and_more_certificates(tmp_path: Path) -> None:
    authority = CertificateAuthority.create(tmp_path / "authority", "localhost")
    client = authority.issue_client("kitchen", days=30)
    file = tmp_path / "chain.pem"
    file.write_bytes(b"# kitchen\n" + client.certificate + authority.certificate)
    assert read_expiry(file) == x509.load_pem_x509_certificate(client.certificate).not_valid_after_utc


def test_a_damaged_certificate_is_a_value_error(tmp_path: Path) -> None:
    der = certificate(datetime(2030, 1, 1, tzinfo=UTC)).public_bytes(serialization.Encoding.DER)
    for damaged in (b"", b"0", der[:40], b"\x30\x03\x02\x01\x00", bytes(200)):
        with pytest.raises(ValueError, match="certificate"):
            expiry_of(damaged)
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    with pytest.raises(ValueError):  # noqa: PT011  # the standard library's own words
        read_expiry(tmp_path / "key.pem")
