"""The collector warns once a day, from 60 days before a certificate expires, and exports when each does."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mien.broker.timekeeping.certificate_watch import CHECK_S, CertificateWatch
from mien.deploy.server.certificate_authority import CertificateAuthority, Identity
from mien.mqtt.settings import MqttSettings


class Clocks:
    def __init__(self) -> None:
        self.monotonic_s = 0.0
        self.wall_ms = int(datetime.now(UTC).timestamp() * 1000)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path, "localhost")


@pytest.fixture
def watch(tmp_path: Path, authority: CertificateAuthority, clocks: Clocks) -> CertificateWatch:
    authority.issue_client("collector").write(tmp_path / "collector")
    ca_file, certificate_file, key_file = (
        str(tmp_path / name) for name in ("ca.crt", "collector.crt", "collector.key")
    )
    settings = MqttSettings(tls=True, ca_file=ca_file, certificate_file=certificate_file, key_file=key_file)
    return CertificateWatch(settings, monotonic_s=lambda: clocks.monotonic_s, wall_ms=lambda: clocks.wall_ms)


def broker_certificate(authority: CertificateAuthority, days: int) -> tuple[bytes, datetime]:
    identity: Identity = authority.issue_client("localhost", days=days)
    certificate = x509.load_pem_x509_certificate(identity.certificate)
    return certificate.public_bytes(Encoding.DER), certificate.not_valid_after_utc


def test_it_says_when_each_certificate_expires(
    watch: CertificateWatch, authority: CertificateAuthority, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, expires_at = broker_certificate(authority, 61)
    expiries = watch.check(certificate)
    assert expiries is not None
    assert expiries["broker"] == expires_at
    assert expiries["authority"] - expiries["collector"] == timedelta(days=3650)
    assert not caplog.records


@pytest.mark.parametrize(("days", "verb"), [(59, "expires on"), (-1, "has expired on")])
def test_it_warns_from_60_days_before(
    watch: CertificateWatch, authority: CertificateAuthority, caplog: pytest.LogCaptureFixture, days: int, verb: str
) -> None:
    certificate, expires_at = broker_certificate(authority, days)
    watch.check(certificate)
    (record,) = caplog.records
    assert f"the certificate of the MQTT broker {verb} {expires_at:%Y-%m-%d}" in record.message
    assert record.message.endswith("renew it with `mien server renew`")


def test_it_looks_once_a_day_and_when_the_broker_has_another_certificate(
    watch: CertificateWatch,
    authority: CertificateAuthority,
    clocks: Clocks,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    soon, _ = broker_certificate(authority, 10)
    renewed, expires_at = broker_certificate(authority, 3650)
    assert watch.check(soon)
    assert watch.check(soon) is None
    clocks.monotonic_s += CHECK_S
    assert watch.check(soon)
    assert len(caplog.records) == 2
    expiries = watch.check(renewed)
    assert expiries is not None
    assert expiries["broker"] == expires_at
    assert len(caplog.records) == 2
    authority.issue_client("collector", days=5).write(tmp_path / "collector")
    clocks.monotonic_s += CHECK_S
    assert watch.check(renewed)
    assert "the certificate of the collector expires on" in caplog.records[-1].message


def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_checked(
    watch: CertificateWatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "collector.crt").write_text("not a certificate")
    expiries = watch.check(None)
    assert expiries is not None
    assert list(expiries) == ["authority"]
    assert f"the certificate {tmp_path}/collector.crt cannot be read" in caplog.text
