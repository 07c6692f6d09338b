"""Where the MQTT broker is and how to speak to it: the `[mqtt]` table of every program's settings."""

import ssl
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from mien.errors import ConfigurationError

ROOT_PATTERN = r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$(?!\n)"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Mqtt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the MQTT broker is and how to speak to it."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    """Host name or address of the MQTT broker."""
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    """8883 with TLS and 1883 without, unless set."""
    tls: bool | None = None
    """On for every host but this machine itself, unless set."""
    ca_file: str | None = None
    """Certificate of the authority that signed the broker's certificate; the system's authorities unless set."""
    username: str | None = None
    """Account at the broker; for an agent usually its device name."""
    password_file: str | None = None
    """File that holds the account's password and nothing else."""
    certificate_file: str | None = None
    """Certificate of this device or collector, for a broker that knows its clients by certificates."""
    key_file: str | None = None
    """The certificate's private key, for its owner alone to read."""
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    """MQTT version; auto tries 5 and falls back to 3.1.1 where the broker does not speak 5."""
    root: Annotated[str, Meta(pattern=ROOT_PATTERN)] = "mien"
    """First level of all topics."""
    keepalive_s: Annotated[int, Meta(ge=1, le=65535)] = 30
    """Silence after which the broker counts the connection as lost and publishes the last will."""

    def __post_init__(self) -> None:
        if self.password_file is not None and self.username is None:
            raise ValueError("password_file is set but username is not")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together: set both or none")
        if self.certificate_file is not None and not self.encrypted:
            raise ValueError("certificate_file is of no use without TLS: set tls = true")

    @property
    def encrypted(self) -> bool:
        """Whether TLS is used."""
        return not self.local if self.tls is None else self.tls

    @property
    def local(self) -> bool:
        """Whether the broker is on this machine."""
        return self.host in LOOPBACK

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port or (8883 if self.encrypted else 1883)

    def password(self) -> str | None:
        """The password from its file. ConfigurationError if the file cannot be read."""
        if self.password_file is None:
            return None
        try:
            return Path(self.password_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"mqtt.password_file {self.password_file} {_unread(error)}") from error

    def tls_context(self) -> ssl.SSLContext | None:
        """None without TLS. ConfigurationError if a certificate or a key cannot be read."""
        if not self.encrypted:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise ConfigurationError(f"mqtt.ca_file {self.ca_file} {_unread(error)}") from error
        if self.certificate_file is not None:
            try:
                context.load_cert_chain(self.certificate_file, self.key_file)
            except OSError as error:
                files = f"mqtt.certificate_file {self.certificate_file} and mqtt.key_file {self.key_file}"
                raise ConfigurationError(f"{files} {_unread(error)}") from error
        return context

    def refusal(self, reason: str) -> str:
        """A broker's refusal, in its own word, as a line with the cure."""
        host, port = self.address
        cure = {
            "Not authorized": "check mqtt.username, mqtt.password_file and the broker's permissions",
            "Bad user name or password": "check mqtt.username and mqtt.password_file",
            "Unsupported protocol version": "set mqtt.protocol to auto",
            "Client identifier not valid": "give the device or collector another name",
        }.get(reason, "see the broker's log")
        return f"the broker at {host}:{port} refuses this client ({reason}): {cure}"

    def silence(self) -> str:
        """A broker that ends the connection without an answer, as a line with the cure."""
        host, port = self.address
        # TLS 1.3 tells a client of its certificate's refusal only after the handshake, by an end.
        cure = "see its log" if self.certificate_file is None else "is mqtt.certificate_file revoked or run out?"
        return f"the broker at {host}:{port} ends the connection without an answer: {cure}"


def _unread(error: Exception) -> str:
    """Why a file could not be used, and the cure."""
    if isinstance(error, ssl.SSLError):
        return f"do not fit together or are damaged ({error.reason or 'not PEM'}): take both from the same identity"
    if isinstance(error, UnicodeDecodeError):
        return "is no text: name the file that holds it"
    reason = error.strerror if isinstance(error, OSError) else error
    return f"cannot be read ({reason}): check the path, and who may read it"
