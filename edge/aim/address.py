"""Where `mien aim` listens: on this machine only, or on one address of it with the device's certificate."""

import hashlib
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from mien.errors import ConfigurationError, UsageError
from mien.mqtt.settings import LOOPBACK, MqttSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAddress:
    """An address and how it is served."""

    host: str
    tls: ssl.SSLContext | None
    fingerprint: str
    """SHA-256 of the certificate, as browsers show it; empty without TLS."""

    @classmethod
    def local(cls) -> "ListenAddress":
        """This machine itself, which `ssh -L` reaches."""
        return cls(host="127.0.0.1", tls=None, fingerprint="")

    @classmethod
    def on_network(cls, address: str, mqtt: MqttSettings) -> "ListenAddress":
        """An address of this machine, with the certificate that it has for the MQTT broker.

        UsageError if it is no single IP address, ConfigurationError if there is no certificate or it cannot be read.
        """
        hint = "name one IP address of this device (`hostname -I` lists them)"
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError as error:
            raise UsageError(f"--listen {address} is no IP address: {hint}") from error
        if parsed.is_unspecified or getattr(parsed, "scope_id", None):
            raise UsageError(f"--listen {address} cannot stand in a browser's address: {hint}")
        if mqtt.certificate_file is None or mqtt.key_file is None:
            raise ConfigurationError(
                "--listen needs the device's certificate, and agent.toml names none: set mqtt.certificate_file and "
                "mqtt.key_file, or leave --listen out and use `ssh -L`"
            )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(mqtt.certificate_file, mqtt.key_file)
            certificate = _read_certificate(Path(mqtt.certificate_file))
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"mqtt.certificate_file {mqtt.certificate_file} and mqtt.key_file {mqtt.key_file} cannot be used "
                f"({error}): run this as the agent's user, `sudo -u mien mien aim --config /etc/mien/agent.toml`"
            ) from error
        return cls(host=address, tls=context, fingerprint=hashlib.sha256(certificate).digest().hex(":").upper())

    @property
    def names(self) -> frozenset[str]:
        """What browsers may call this machine. Any other name is that of a web page that rebinds its own to this
        address."""
        if self.tls is None:
            return frozenset(LOOPBACK)
        name = socket.gethostname().lower()
        return frozenset({self.host, name, f"{name}.local"})

    def url(self, port: int, token: str) -> str:
        """The address to open. Browsers do not send what follows `#`: neither logs nor previews of links have it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{port}/#{token}"

    def bind(self, port: int) -> socket.socket:
        """A listening socket. ConfigurationError if it cannot listen there."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            return socket.create_server((self.host, port), family=family)
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {self.host}, port {port} ({error.strerror}): choose another with --listen or --port"
            ) from error


def host_of(header: str) -> str:
    """The name in a Host header, without the port."""
    host, _, port = header.strip().lower().rpartition(":")
    name = host if host and port.isdigit() else header.strip().lower()
    return name.removeprefix("[").removesuffix("]")


def _read_certificate(file: Path) -> bytes:
    """The first certificate of a PEM file, in DER."""
    text = file.read_text(encoding="ascii")
    begin, end = text.index(ssl.PEM_HEADER), text.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)
    return ssl.PEM_cert_to_DER_cert(text[begin:end])
