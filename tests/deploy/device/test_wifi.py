"""The Wi-Fi network of an SD card: what is accepted, and what a Pi would silently not join."""

import pytest

from mien.deploy.device.wifi import Wifi
from mien.errors import UsageError


def test_the_key_of_a_passphrase_is_that_of_the_standard() -> None:
    """The test vectors of IEEE 802.11i, annex H.4.3."""
    vectors = {
        ("IEEE", "password"): "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e",
        ("ThisIsASSID", "ThisIsAPassword"): "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af",
    }
    for (ssid, passphrase), psk in vectors.items():
        assert Wifi(ssid=ssid, country="NL").with_passphrase(passphrase).psk == psk


def test_64_hexadecimal_digits_are_the_key_itself() -> None:
    assert Wifi(ssid="Home", country="NL").with_passphrase("0123456789abcDEF" * 4).psk == "0123456789abcdef" * 4


@pytest.mark.parametrize("passphrase", ["", "1234567", "x" * 64, "0123456789abcdeg" * 4, "0" * 65, "0" * 63 + " "])
def test_neither_a_passphrase_nor_a_key_is_refused(passphrase: str) -> None:
    with pytest.raises(UsageError, match="8 to 63 characters"):
        Wifi(ssid="Home", country="NL").with_passphrase(passphrase)


@pytest.mark.parametrize(
    ("ssid", "country", "message"),
    [
        ("", "NL", "not a valid name of a Wi-Fi network: use 1 to 32 bytes"),
        ("é" * 17, "NL", "not a valid name of a Wi-Fi network"),
        ("\udcff", "NL", "name is not UTF-8"),
        ("Home", "", "needs a country: add --wifi-country"),
        ("Home", "nl", "'nl' is not a country code: use two capital letters"),
        ("Home", "Netherlands", "is not a country code"),
        ("Home", "UK", "'UK' is the code of no country: use one of ISO 3166, did you mean GB"),
        ("Home", "XQ", "'XQ' is the code of no country"),
    ],
)
def test_a_name_or_a_country_that_no_radio_takes_is_refused(ssid: str, country: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Wifi(ssid=ssid, country=country)
