"""What a connection that cannot be opened says; the mix-ups of TLS and transports are in tests/reports."""

import socket
import ssl
from collections.abc import Callable

from mosquitto import Mosquitto, free_port

from mien.mqtt.failure import describe_failure
from mien.mqtt.settings import MqttSettings


def test_a_broker_that_is_away_is_named_with_its_address() -> None:
    port = free_port()
    refused = ConnectionRefusedError(111, "Connection refused")
    line = f"no MQTT broker at 127.0.0.1:{port} (Connection refused): check mqtt.host, mqtt.port and the network"
    assert describe_failure(MqttSettings(port=port), refused) == line
    websockets = MqttSettings(port=port, transport="websockets", websocket_path="/broker")
    line = describe_failure(websockets, ConnectionError("WebSocket handshake error"))
    assert line.startswith(f"no MQTT broker with websockets at 127.0.0.1:{port}/broker (WebSocket handshake error): ")
    assert line.endswith("check mqtt.host, mqtt.port and the network, and mqtt.websocket_path")
    assert describe_failure(MqttSettings(port=port), TimeoutError()).startswith("no MQTT broker at")


def test_a_broker_that_closes_the_connection_is_said_to(start_mosquitto: Callable[..., Mosquitto]) -> None:
    where = f"127.0.0.1:{start_mosquitto().port}"
    settings = MqttSettings(port=int(where.rpartition(":")[2]))
    assert (
        describe_failure(settings)
        == f"the MQTT broker at {where} closed the connection without a response: see its log"
    )
    error = ssl.SSLError(1, "[SSL] alert")
    error.reason = "TLSV1_ALERT_UNKNOWN_CA"
    assert describe_failure(settings, error).startswith(f"the MQTT broker at {where} ended the TLS handshake (TLSV1_A")


def test_settings_that_have_worked_are_not_doubted() -> None:
    """Neither does a broker that restarts get further connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        settings = MqttSettings(port=server.getsockname()[1])
        assert "closed the connection without a response" in describe_failure(settings, have_worked=True)
        try:
            server.accept()[0].close()
        except TimeoutError:
            return
        raise AssertionError("a further connection")


def test_a_file_that_has_disappeared_ends_no_thread(start_mosquitto: Callable[..., Mosquitto]) -> None:
    settings = MqttSettings(port=start_mosquitto().port, tls=True, ca_file="/nowhere/ca.crt")
    assert "mqtt.port" in describe_failure(settings, ConnectionResetError())
