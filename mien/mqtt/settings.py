"""The `[mqtt]` table of every program's settings: the address of the MQTT broker and how to connect to it."""

import ssl
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from mien.errors import ConfigurationError
from mien.files.text_file import read_line
from mien.mqtt.reasons import CONNECTION_FIXES, SEE_LOG
from mien.network.address import WrittenAddress, in_words

BASE_TOPIC_PATTERN = r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$(?!\n)"
WEBSOCKET_PATH_PATTERN = r"^/[!-~]*$(?!\n)"
LOOPBACK = ("localhost", "127.0.0.1", "::1")
DEFAULT_PORTS = {"tcp": (1883, 8883), "websockets": (80, 443)}
"""Without and with TLS, as registered for MQTT and for the `ws` and `wss` schemes (RFC 6455, section 3)."""
DEFAULT_WEBSOCKET_PATH = "/mqtt"
SETTINGS_BY_SCHEME = {
    "mqtts": ["tls = true"], "ssl": ["tls = true"], "tls": ["tls = true"],
    "ws": ['transport = "websockets"'], "wss": ['transport = "websockets"', "tls = true"],
}  # fmt: skip
"""What other clients' URLs say by their scheme."""


class MqttSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The address of the MQTT broker and how to connect to it."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    """Host name or address of the MQTT broker."""
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    """If not set, 8883 with TLS and 1883 without; for websockets 443 and 80."""
    transport: Literal["tcp", "websockets"] = "tcp"
    """websockets: for a broker that can be reached only by them, such as behind a web proxy; they cost more CPU."""
    websocket_path: Annotated[str, Meta(pattern=WEBSOCKET_PATH_PATTERN)] | None = None
    """Path of the broker's websockets; if not set, /mqtt."""
    tls: bool | None = None
    """If not set, on for every host except this machine itself."""
    ca_file: str | None = None
    """Certificate of the authority that signed the broker's certificate; if not set, the system's authorities."""
    username: str | None = None
    """Account at the broker; for an agent usually its device name."""
    password_file: str | None = None
    """File that contains only the account's password."""
    certificate_file: str | None = None
    """Certificate of this device or collector, for a broker that authenticates clients by certificate."""
    key_file: str | None = None
    """Private key of the certificate, readable only by its owner."""
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    """MQTT version; auto tries 5 and falls back to 3.1.1 if the broker does not support 5."""
    base_topic: Annotated[str, Meta(pattern=BASE_TOPIC_PATTERN)] = "mien"
    """First level, or levels, of all topics."""
    keepalive_s: Annotated[int, Meta(ge=1, le=65535)] = 30
    """Seconds of silence after which the broker considers the connection lost and publishes the last will."""

    def __post_init__(self) -> None:
        self._check_host()
        if self.websocket_path is not None and self.transport != "websockets":
            raise ValueError('websocket_path has no effect without websockets: set transport = "websockets"')
        if self.password_file is not None and self.username is None:
            raise ValueError("password_file is set but username is not")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together: set both or neither")
        if self.certificate_file is not None and not self.uses_tls:
            raise ValueError("certificate_file has no effect without TLS: set tls = true")

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return not self.is_local if self.tls is None else self.tls

    @property
    def is_local(self) -> bool:
        """Whether the broker is on this machine."""
        return self.host in LOOPBACK

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port or DEFAULT_PORTS[self.transport][self.uses_tls]

    def password(self) -> str | None:
        """The password from its file, if one is set. ConfigurationError if the file cannot be read."""
        if self.password_file is None:
            return None
        return read_line(Path(self.password_file), name=f"mqtt.password_file {self.password_file}").strip()

    def tls_context(self) -> ssl.SSLContext | None:
        """None without TLS. ConfigurationError if a certificate or a key cannot be read."""
        if not self.uses_tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise ConfigurationError(f"mqtt.ca_file {self.ca_file} {_file_problem(error)}") from error
        if self.certificate_file is not None:
            try:
                context.load_cert_chain(self.certificate_file, self.key_file)
            except OSError as error:
                files = f"mqtt.certificate_file {self.certificate_file} and mqtt.key_file {self.key_file}"
                raise ConfigurationError(f"{files} {_file_problem(error)}") from error
        return context

    def _check_host(self) -> None:
        """ValueError, with the right form, if the host has anything around it, as in a URL."""
        address = WrittenAddress.parse(self.host)
        if not (surplus := address.surplus()):
            return
        settings = [*address.settings(), *SETTINGS_BY_SCHEME.get(address.scheme, [])]
        if address.path and 'transport = "websockets"' in settings:
            settings.append(f'websocket_path = "{address.path}"')
        if address.has_account:
            settings.append("username and password_file")
        raise ValueError(f"host contains {surplus}: set {in_words(settings)}")

    def refusal_message(self, reason: str) -> str:
        """One line with the fix, for a broker that refused the connection; `reason` is the broker's own."""
        host, port = self.address
        fix = CONNECTION_FIXES.get(reason, SEE_LOG)
        return f"the MQTT broker at {host}:{port} refused this client ({reason}): {fix}"


def _file_problem(error: Exception) -> str:
    """Why a file could not be used, and the fix."""
    if isinstance(error, ssl.SSLError):
        return f"do not match or are damaged ({error.reason or 'not PEM'}): take both from the same identity"
    reason = error.strerror if isinstance(error, OSError) else error
    return f"cannot be read ({reason}): check the path and the file's permissions"
