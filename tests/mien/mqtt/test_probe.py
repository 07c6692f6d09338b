import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mosquitto import Mosquitto, free_port

from mien.broker.demo.embedded_broker import EmbeddedBroker
from mien.errors import ConfigurationError, ConnectionRefused
from mien.mqtt.events import Received
from mien.mqtt.probe import Probe, Response
from mien.mqtt.settings import MqttSettings


def test_it_reports_what_the_broker_accepts_and_refuses(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    (tmp_path / "acl").write_text("topic readwrite own/#\n")
    broker = start_mosquitto("allow_anonymous true", f"acl_file {tmp_path}/acl")
    with Probe(MqttSettings(port=broker.port), client_id="probe") as probe:
        assert (probe.version, probe.tls_version) == ("5", "")
        assert [response.accepted for response in probe.subscribe("own/#", "other")] == [True, True]
        assert probe.publish("forbidden/a") == Response(accepted=False, reason="Not authorized")
        response = probe.publish("own/a", b"hello")
        assert response is not None
        assert response.accepted
        assert probe.next_message(5) == Received("own/a", b"hello")
        assert probe.next_message(0.1) is None


def test_a_broker_that_goes_away_is_noticed_at_once(start_mosquitto: Callable[..., Mosquitto]) -> None:
    broker = start_mosquitto()
    with Probe(MqttSettings(port=broker.port), client_id="probe", timeout_s=60) as probe:
        start_s = time.monotonic()
        broker.kill()
        assert probe.next_message(60) is None
        assert probe.publish("a") is None
        assert probe.subscribe("a") == []
        assert time.monotonic() - start_s < 30


def test_auto_falls_back_to_3_1_1_and_a_pinned_version_is_a_refusal_with_a_hint() -> None:
    with EmbeddedBroker() as broker:
        with Probe(MqttSettings(port=broker.port), client_id="probe") as probe:
            assert probe.version == "3.1.1"
        with (
            pytest.raises(ConnectionRefused, match=r"\(Unsupported protocol version\): set mqtt.protocol to auto"),
            Probe(MqttSettings(port=broker.port, protocol="5"), client_id="probe"),
        ):
            pass


@contextmanager
def server_that(respond: Callable[[socket.socket], object]) -> Iterator[int]:
    """The port of a server that accepts connections, calls `respond` after the first packet, and closes them."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    peer.recv(1024)
                    respond(peer)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_a_connection_that_is_closed_without_a_response_is_noticed_at_once() -> None:
    start_s = time.monotonic()
    with (
        server_that(lambda _peer: None) as port,
        pytest.raises(ConnectionRefused, match="closed the connection without a response: see its log"),
        Probe(MqttSettings(port=port), client_id="probe", timeout_s=60),
    ):
        pass
    assert time.monotonic() - start_s < 30


def test_a_broker_that_never_responds_is_given_up() -> None:
    with (
        server_that(lambda peer: peer.recv(1024)) as port,
        pytest.raises(ConnectionRefused, match="without a response"),
        Probe(MqttSettings(port=port), client_id="probe", timeout_s=0.2),
    ):
        pass


def test_an_unreachable_or_unencrypted_broker_is_an_os_error(start_mosquitto: Callable[..., Mosquitto]) -> None:
    with pytest.raises(ConnectionError), Probe(MqttSettings(port=free_port()), client_id="probe"):
        pass
    with pytest.raises(OSError), Probe(MqttSettings(port=start_mosquitto().port, tls=True), client_id="probe"):  # noqa: PT011
        pass


def test_a_missing_file_is_named() -> None:
    settings = MqttSettings(tls=True, ca_file="/nowhere/ca.crt")
    with pytest.raises(ConfigurationError, match=r"mqtt.ca_file /nowhere/ca.crt cannot be read"):
        Probe(settings, client_id="probe")
