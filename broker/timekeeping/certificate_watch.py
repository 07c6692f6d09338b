"""Warns before a certificate expires without which devices and collectors cannot connect."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from mien.mqtt.settings import MqttSettings
from mien.tls.certificate import EXPIRES_SOON, expiry_of, read_expiry

CHECK_S = 24 * 3600.0
"""Between two looks at the certificates, and two warnings."""

log = logging.getLogger(__name__)


class CertificateWatch:
    """The certificates of one connection: of the authority, of this client, and of the MQTT broker."""

    def __init__(self, mqtt: MqttSettings, *, monotonic_s: Callable[[], float], wall_ms: Callable[[], int]) -> None:
        self._files = {"authority": mqtt.ca_file, "collector": mqtt.certificate_file}
        self._monotonic_s = monotonic_s
        self._wall_ms = wall_ms
        self._next_s = 0.0
        self._broker: bytes | None = None

    def check(self, broker: bytes | None) -> dict[str, datetime] | None:
        """Once a day, and when the MQTT broker has another certificate (DER): when each certificate expires, by name.

        None in between. Those that expire soon are logged.
        """
        if self._monotonic_s() < self._next_s and broker == self._broker:
            return None
        self._next_s, self._broker = self._monotonic_s() + CHECK_S, broker
        expiries = {}
        for name, file in self._files.items():
            try:
                if file is not None:
                    expiries[name] = read_expiry(Path(file))
            except (OSError, ValueError) as error:
                log.warning("the certificate %s cannot be read (%s)", file, error)
        if broker is not None:
            expiries["broker"] = expiry_of(broker)
        now = datetime.fromtimestamp(self._wall_ms() / 1000, UTC)
        for name, expiry in expiries.items():
            if expiry - now < EXPIRES_SOON:
                owner = {"authority": "certificate authority", "broker": "MQTT broker"}.get(name, name)
                verb = "expires" if expiry > now else "has expired"
                hint = "from then on connections fail: renew it with `mien server renew`"
                log.warning("the certificate of the %s %s on %s; %s", owner, verb, f"{expiry:%Y-%m-%d}", hint)
        return expiries
