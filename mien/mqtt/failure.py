"""Why a connection to the MQTT broker could not be opened, in one line that ends with the fix."""

import ssl

import msgspec

from mien.errors import ConfigurationError
from mien.mqtt.settings import DEFAULT_WEBSOCKET_PATH, MqttSettings
from mien.network.port import RESPONSE_TIMEOUT_S, speaks_http, speaks_mqtt, speaks_tls

USUAL_PORTS = {"tcp": "usually 8883", "websockets": "usually 443"}
"""With TLS."""


def describe_failure(
    settings: MqttSettings,
    error: Exception | None = None,
    *,
    have_worked: bool = False,
    timeout_s: float = RESPONSE_TIMEOUT_S,
) -> str:
    """`error` is what opening the connection raised; None if the broker closed it, or was silent, without a response.

    If TLS or the transport may be the reason, further connections find out what the port speaks, unless the settings
    `have_worked` before; each waits up to `timeout_s` for a response.
    """
    host, port = settings.address
    where = f"{host}:{port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = "check mqtt.ca_file, and that the certificate is for this host"
        return f"the MQTT broker at {where} is not trusted ({error.reason}): {hint}"
    if not have_worked and _may_be_misunderstood(error) and (mismatch := _find_mismatch(settings, timeout_s)):
        return f"{where} {mismatch}"
    # A TLS 1.3 client learns only after the handshake that its certificate was refused: the connection is closed.
    hint = "see its log" if settings.certificate_file is None else "has mqtt.certificate_file expired or been revoked?"
    if isinstance(error, ssl.SSLError):
        return f"the MQTT broker at {where} ended the TLS handshake ({error.reason or error}): {hint}"
    if error is None:
        if settings.protocol == "3.1.1":
            hint += "; if it limits QoS or retained messages, set mqtt.protocol to auto so that it can announce that"
        return f"the MQTT broker at {where} closed the connection without a response: {hint}"
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    hint = "check mqtt.host, mqtt.port and the network"
    if settings.transport == "websockets":
        path = settings.websocket_path or DEFAULT_WEBSOCKET_PATH
        return f"no MQTT broker with websockets at {where}{path} ({reason}): {hint}, and mqtt.websocket_path"
    return f"no MQTT broker at {where} ({reason}): {hint}"


def _may_be_misunderstood(error: Exception | None) -> bool:
    """Whether something accepted the connection, and then did not respond as expected."""
    is_closed = isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError)
    return error is None or is_closed or isinstance(error, ssl.SSLError | TimeoutError)


def _find_mismatch(settings: MqttSettings, timeout_s: float) -> str:
    """What the port speaks in place of what the settings say, and the fix; empty if they agree or it is unknown."""
    address, uses_websockets = settings.address, settings.transport == "websockets"
    if not settings.uses_tls:
        if speaks_tls(address, timeout_s=timeout_s):
            return "speaks TLS, and this client does not: set mqtt.tls = true, or mqtt.port to the port without TLS"
    elif not speaks_tls(address, timeout_s=timeout_s):
        if speaks_mqtt(address, timeout_s=timeout_s) or speaks_http(address, timeout_s=timeout_s):
            usual = USUAL_PORTS[settings.transport]
            hint = f"set mqtt.port to the port with TLS, {usual}, or mqtt.tls = false on a network that you trust"
            return f"does not speak TLS, and this client does: {hint}"
        return ""
    # without the certificate, from which a broker may take the client ID: it would end another client's connection
    anonymous = msgspec.structs.replace(settings, certificate_file=None, key_file=None)
    try:
        tls = anonymous.tls_context()
    except ConfigurationError:  # a file has disappeared since the client read it
        return ""
    if uses_websockets and speaks_mqtt(address, tls, timeout_s=timeout_s):
        return 'speaks MQTT without websockets: set mqtt.transport = "tcp", or mqtt.port to the port of the websockets'
    if not uses_websockets and speaks_http(address, tls, timeout_s=timeout_s):
        hint = 'set mqtt.transport = "websockets", or mqtt.port to the port without them'
        return f"is for websockets or a web server: {hint}"
    return ""
