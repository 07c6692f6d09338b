"""Addresses as people write them, and ports that speak something else: each is said, with the right form."""

import json
import queue
from collections.abc import Callable
from pathlib import Path

import pytest
from certificates import self_signed_certificate
from mosquitto import Mosquitto
from websocket_gateway import WebsocketGateway

from mien.cli import main
from mien.mqtt.connection import Connection
from mien.mqtt.events import Disconnected, Event, Message
from mien.mqtt.settings import MqttSettings
from mien.mqtt.timings import ConnectionTimings

PLAIN_PORT = (
    "does not speak TLS, and this client does: set mqtt.port to the port with TLS, usually {}, "
    "or mqtt.tls = false on a network that you trust"
)


@pytest.mark.parametrize("program", ["agent", "collector"])
@pytest.mark.parametrize(
    ("host", "fix"),
    [
        ("mqtt://127.0.0.1", 'host contains a scheme: set host = "127.0.0.1"'),
        ("127.0.0.1:1883", 'host contains a port: set host = "127.0.0.1" and port = 1883'),
        ("[::1]", 'host contains brackets, spaces or slashes: set host = "::1"'),
        (" broker.lan ", 'host contains brackets, spaces or slashes: set host = "broker.lan"'),
        ("mqtts://b.lan:8884", 'host contains a scheme and a port: set host = "b.lan", port = 8884 and tls = true'),
        (
            "ws://b.lan:9001/ws",
            'host contains a scheme, a port and a path: set host = "b.lan", port = 9001, transport = "websockets" '
            'and websocket_path = "/ws"',
        ),
        (
            "mqtt://me:secret@b.lan",
            'host contains a scheme and an account: set host = "b.lan" and username and password_file',
        ),
        (
            "two words",
            "host 'two words' is neither a name nor an address: set it to a name such as broker.lan, or an address "
            "such as 192.168.1.10 or fd00::10",
        ),
    ],
)
def test_a_host_with_anything_around_it_is_refused_with_the_right_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], program: str, host: str, fix: str
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f"[mqtt]\nhost = {json.dumps(host)}\n")
    assert main(["config", "check", program, str(file)]) == 3
    assert capsys.readouterr().err == f"mien: {file}: mqtt: {fix}\n"


@pytest.mark.parametrize("host", ["::1", "192.168.1.10", "broker.lan", "müller.lan", "localhost"])
def test_a_plain_host_is_accepted(tmp_path: Path, host: str) -> None:
    (tmp_path / "collector.toml").write_text(f'[mqtt]\nhost = "{host}"\n', encoding="utf-8")
    assert main(["config", "check", "collector", str(tmp_path / "collector.toml")]) == 0


def test_the_option_and_the_dashboard_understand_a_host_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["collect", "--db", str(tmp_path / "mien.db"), "--host", "broker.lan:1884"]) == 3
    assert capsys.readouterr().err.endswith('host contains a port: set host = "broker.lan" and port = 1884\n')
    for setting, problem in [
        ('host = "http://127.0.0.1:8501"', 'host contains a scheme and a port: set host = "127.0.0.1" and port = 8501'),
        ('hosts = ["https://log.lan"]', 'hosts contains a scheme: set it to names alone, such as "log.lan"'),
    ]:
        (tmp_path / "dashboard.toml").write_text(f'{setting}\ntoken_file = "token"\n')
        assert main(["config", "check", "dashboard", str(tmp_path / "dashboard.toml")]) == 3
        assert capsys.readouterr().err.endswith(f"{problem}\n")


def failure(settings: MqttSettings) -> str:
    """Why a connection by these settings fails, without the address."""
    events: queue.Queue[Event] = queue.Queue()
    timings = ConnectionTimings(subscribe_timeout_s=0.5)  # for a response that never comes
    will = Message("w", b"")
    with Connection(settings, client_id="one", will=will, subscriptions=[], events=events, timings=timings):
        event = events.get(timeout=30)
    assert isinstance(event, Disconnected)
    where, _, problem = event.reason.partition(" ")
    assert where == f"127.0.0.1:{settings.port}"
    return problem


def test_tls_to_a_plain_port_is_recognized(start_mosquitto: Callable[..., Mosquitto]) -> None:
    for lines in ([], ["allow_anonymous false"]):
        port = start_mosquitto(*lines).port
        assert failure(MqttSettings(port=port, tls=True)) == PLAIN_PORT.format(8883)
    with WebsocketGateway(port) as gateway:
        assert failure(MqttSettings(port=gateway.port, tls=True, transport="websockets")) == PLAIN_PORT.format(443)


def test_plain_mqtt_to_a_port_with_tls_is_recognized(tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]) -> None:
    certificate, key = self_signed_certificate(tmp_path)
    lines = ["allow_anonymous true", f"certfile {certificate}", f"keyfile {key}"]
    problem = "speaks TLS, and this client does not: set mqtt.tls = true, or mqtt.port to the port without TLS"
    for more in ([], [f"cafile {certificate}", "require_certificate true"]):
        assert failure(MqttSettings(port=start_mosquitto(*lines, *more).port)) == problem


def test_websockets_and_plain_mqtt_are_told_apart(start_mosquitto: Callable[..., Mosquitto]) -> None:
    broker = start_mosquitto()
    assert failure(MqttSettings(port=broker.port, transport="websockets")) == (
        'speaks MQTT without websockets: set mqtt.transport = "tcp", or mqtt.port to the port of the websockets'
    )
    with WebsocketGateway(broker.port) as gateway:
        assert failure(MqttSettings(port=gateway.port)) == (
            'is for websockets or a web server: set mqtt.transport = "websockets", '
            "or mqtt.port to the port without them"
        )


def test_the_doctor_says_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], start_mosquitto: Callable[..., Mosquitto]
) -> None:
    port = start_mosquitto().port
    (tmp_path / "agent.toml").write_text(
        f'device = "hallway"\noutbox = "{tmp_path}/outbox.db"\n[mqtt]\nport = {port}\ntls = true\n'
        '[motion]\nkind = "always"\n[camera]\nkind = "demo"\n'
    )
    assert main(["doctor", "--config", str(tmp_path / "agent.toml"), "--json"]) == 1
    checks = {check["subject"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    broker = f"{checks['broker']['message']}: {checks['broker']['hint']}"
    assert broker == f"127.0.0.1:{port} {PLAIN_PORT.format(8883)}"
