import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from certificates import self_signed_certificate
from mosquitto import Mosquitto, free_port
from websocket_gateway import WebsocketGateway

from mien.network.port import speaks_http, speaks_mqtt, speaks_tls


def spoken(port: int, tls: ssl.SSLContext | None = None) -> tuple[bool, bool, bool]:
    address = ("127.0.0.1", port)
    return speaks_mqtt(address, tls), speaks_http(address, tls), speaks_tls(address)


def test_a_brokers_port_speaks_mqtt_even_if_it_refuses_the_client(start_mosquitto: Callable[..., Mosquitto]) -> None:
    assert spoken(start_mosquitto().port) == (True, False, False)
    assert spoken(start_mosquitto("allow_anonymous false").port) == (True, False, False)


def test_tls_is_recognized_even_if_the_client_needs_a_certificate(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    file, key = self_signed_certificate(tmp_path)
    lines = ["allow_anonymous true", f"certfile {file}", f"keyfile {key}"]
    tls = ssl.create_default_context(cafile=str(file))
    tls.check_hostname = False
    port = start_mosquitto(*lines).port
    assert spoken(port) == (False, False, True)
    assert spoken(port, tls) == (True, False, True)
    port = start_mosquitto(*lines, f"cafile {file}", "require_certificate true").port
    assert spoken(port) == (False, False, True)
    assert spoken(port, tls) == (False, False, True)
    port = start_mosquitto(*lines, f"cafile {file}", "require_certificate true", "tls_version tlsv1.2").port
    assert spoken(port) == (False, False, True)


def test_websockets_speak_http(start_mosquitto: Callable[..., Mosquitto]) -> None:
    with WebsocketGateway(start_mosquitto().port) as gateway:
        assert spoken(gateway.port) == (False, True, False)


def test_a_closed_port_and_a_silent_one_speak_nothing() -> None:
    assert spoken(free_port()) == (False, False, False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        assert not speaks_mqtt(address, timeout_s=0.1)
        assert not speaks_http(address, timeout_s=0.1)
        assert not speaks_tls(address, timeout_s=0.1)
