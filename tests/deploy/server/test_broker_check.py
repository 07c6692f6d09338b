"""The doctor's check of a server folder's MQTT broker: certificates, and a running agent that must not be disturbed."""

from pathlib import Path

import msgspec
import pytest
from device_settings import device_mqtt_settings
from mosquitto import Mosquitto
from samples import make_health

from mien.broker.ingest.home_assistant import HomeAssistant
from mien.checks import CheckResult
from mien.deploy.server.certificate_authority import CertificateAuthority
from mien.deploy.server.folder import ServerFolder
from mien.edge.health.broker_check import COMFORTABLE_PACKET_BYTES, check_broker
from mien.messages.health import encode_health
from mien.messages.status import DeviceStatus, encode_device_status
from mien.messages.topics import Topics
from mien.mqtt.limits import BrokerLimits
from mien.mqtt.settings import MqttSettings

LONGEST_NAME = "a" * 32


def results(mqtt: MqttSettings, *, is_agent_running: bool) -> dict[str, CheckResult]:
    return {result.subject: result for result in check_broker(mqtt, "kitchen", is_agent_running=is_agent_running)}


@pytest.mark.parametrize("is_agent_running", [False, True])
def test_a_revoked_certificate_is_named(server: ServerFolder, broker: Mosquitto, is_agent_running: bool) -> None:
    mqtt = device_mqtt_settings(server, "kitchen")
    assert results(mqtt, is_agent_running=is_agent_running)["broker"].level == "ok"
    server.revoke("kitchen")
    broker.stop()
    broker.start()
    broker_result = results(mqtt, is_agent_running=is_agent_running)["broker"]
    assert broker_result.level == "error"
    assert broker_result.hint == "has mqtt.certificate_file expired or been revoked?"


def test_beside_a_running_agent_only_the_encrypted_connection_is_checked(
    server: ServerFolder, broker: Mosquitto
) -> None:
    checks = results(device_mqtt_settings(server, "kitchen"), is_agent_running=True)
    assert checks.keys() == {"broker", "permissions"}
    assert checks["broker"].message == f"localhost:{server.server.port}, TLSv1.3"
    assert checks["permissions"].level == "warning"
    assert checks["permissions"].hint == "stop it to check them (`systemctl stop mien-agent`)"


def test_a_broker_that_is_away_is_named_beside_a_running_agent(server: ServerFolder) -> None:
    checks = results(device_mqtt_settings(server, "kitchen"), is_agent_running=True)
    assert checks["broker"].message.startswith(f"no MQTT broker at localhost:{server.server.port}")


@pytest.mark.parametrize(("days", "level"), [(30, "warning"), (-1, "error")])
def test_a_certificate_that_expires_is_named(
    tmp_path: Path, server: ServerFolder, broker: Mosquitto, days: int, level: str
) -> None:
    authority = CertificateAuthority(server.path / "certificate-authority")
    authority.issue_client("kitchen", days=days).write(tmp_path / "kitchen-new")
    mqtt = msgspec.structs.replace(
        device_mqtt_settings(server, "kitchen"),
        certificate_file=str(tmp_path / "kitchen-new.crt"),
        key_file=str(tmp_path / "kitchen-new.key"),
    )
    certificate = results(mqtt, is_agent_running=True)["certificate"]
    assert certificate.level == level
    assert f"mqtt.certificate_file {tmp_path}/kitchen-new.crt expires on 20" in certificate.message


def test_every_message_except_a_batch_fits_into_a_packet_of_the_server(server: ServerFolder) -> None:
    lines = (server.path / "mosquitto" / "mosquitto.conf").read_text().splitlines()
    values = dict(line.split() for line in lines if line.startswith("max_"))
    limit = int(values["max_packet_size"])
    assert limit == COMFORTABLE_PACKET_BYTES
    limits, topics = BrokerLimits(max_packet_bytes=limit), Topics()
    status = encode_device_status(DeviceStatus(state="online", agent="a" * 32, model="0123456789ab"))
    discovery = HomeAssistant("homeassistant", topics).announce_device(LONGEST_NAME, status)
    assert discovery
    for message in discovery:
        assert len(message.payload) <= limits.max_payload_bytes(message.topic)
    assert 2 * len(encode_health(make_health())) <= limits.max_payload_bytes(topics.device_health(LONGEST_NAME))
    memory_bytes = int(values["max_queued_messages"]) * limit + int(values["max_queued_bytes"])
    assert memory_bytes < 130_000_000  # see tests/attacks/test_broker_memory.py
