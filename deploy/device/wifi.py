"""The wireless network that a Pi joins: name, key and country, checked before anything is written."""

import hashlib
import re
import zoneinfo
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from mien.errors import UsageError

MAX_SSID_BYTES = 32
"""IEEE 802.11, 9.4.2.2."""
MIN_PASSPHRASE_BYTES, MAX_PASSPHRASE_BYTES = 8, 63
"""IEEE 802.11i, H.4: 64 characters are the key itself, in hexadecimal digits."""
COMMON_MISTAKES = {"UK": "GB", "EN": "GB", "SF": "FI", "SP": "ES"}
"""What people write for a country, and its code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wifi:
    """A wireless network."""

    ssid: str
    country: str
    """ISO 3166 code of the country whose radio rules apply; without one the radio stays off."""
    psk: str | None = None
    """The pre-shared key, 64 hexadecimal digits; None for an open network. The passphrase itself is never written."""
    is_hidden: bool = False
    """Whether it does not broadcast its name, so that the Pi has to ask for it."""

    def __post_init__(self) -> None:
        """UsageError if the name or the country is not valid."""
        try:
            size_bytes = len(self.ssid.encode())
        except UnicodeEncodeError as error:
            raise UsageError("the Wi-Fi's name is not UTF-8: set a UTF-8 locale") from error
        if not 1 <= size_bytes <= MAX_SSID_BYTES:
            raise UsageError(f"{self.ssid!r} is not a valid name of a Wi-Fi network: use 1 to {MAX_SSID_BYTES} bytes")
        if not self.country:
            raise UsageError("the Wi-Fi radio needs a country: add --wifi-country, such as --wifi-country NL")
        if not re.fullmatch("[A-Z]{2}", self.country):
            raise UsageError(f"{self.country!r} is not a country code: use two capital letters, such as NL")
        countries = _known_countries()
        if countries and self.country not in countries:
            hint = f"did you mean {COMMON_MISTAKES[self.country]}?" if self.country in COMMON_MISTAKES else "such as NL"
            raise UsageError(f"{self.country!r} is the code of no country: use one of ISO 3166, {hint}")

    def with_passphrase(self, passphrase: str) -> Self:
        """With the key of a passphrase (IEEE 802.11i, H.4: PBKDF2 with HMAC-SHA-1, 4,096 rounds), or the key itself.

        UsageError if it is neither.
        """
        try:
            secret = passphrase.encode()
        except UnicodeEncodeError as error:
            raise UsageError("the Wi-Fi's passphrase is not UTF-8: set a UTF-8 locale") from error
        if re.fullmatch("[0-9A-Fa-f]{64}", passphrase):
            return replace(self, psk=passphrase.lower())
        if not MIN_PASSPHRASE_BYTES <= len(secret) <= MAX_PASSPHRASE_BYTES:
            raise UsageError(
                f"the Wi-Fi passphrase has the wrong length: {MIN_PASSPHRASE_BYTES} to {MAX_PASSPHRASE_BYTES} "
                "characters (WPA2, also next to WPA3), or the key in 64 hexadecimal digits; use --wifi-open without any"
            )
        return replace(self, psk=hashlib.pbkdf2_hmac("sha1", secret, self.ssid.encode(), 4096, 32).hex())


def _known_countries() -> set[str]:
    """The codes that this machine's time zone data lists; none if it has no such list."""
    for folder in zoneinfo.TZPATH:
        table = Path(folder) / "iso3166.tab"
        if table.is_file():
            return set(re.findall(r"^([A-Z]{2})\t", table.read_text(encoding="utf-8"), re.MULTILINE))
    return set()
