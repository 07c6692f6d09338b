"""`mien device revoke` ends the live connection, or says with an exit code of its own that it may be open."""

import os
import signal
from pathlib import Path

import pytest
from device_settings import device_mqtt_settings
from mosquitto import Mosquitto
from polling import wait_for

from mien.cli import main
from mien.deploy.server import live_session
from mien.deploy.server.folder import ServerFolder
from mien.deploy.server.revocation import revoke_device
from mien.errors import ConnectionRefused, SessionMayBeOpen
from mien.mqtt.probe import Probe


def test_a_revoked_name_can_be_given_again_at_once_when_its_connection_has_ended(
    server: ServerFolder, broker: Mosquitto
) -> None:
    former = device_mqtt_settings(server, "kitchen")
    context = former.tls_context()
    with Probe(former, client_id="mien-kitchen") as probe:
        assert revoke_device(server, "kitchen")
        assert probe.publish("mien/kitchen/motion") is None
    server.add("kitchen")
    assert context is not None
    with pytest.raises((ConnectionRefused, OSError)), Probe(former, client_id="mien-kitchen"):
        pass
    with Probe(device_mqtt_settings(server, "kitchen"), client_id="mien-kitchen") as probe:
        response = probe.publish("mien/kitchen/motion")
        assert response is not None
        assert response.accepted


def test_no_broker_is_no_connection(server: ServerFolder) -> None:
    assert not revoke_device(server, "kitchen")
    assert [device.name for device in server.devices()] == ["hallway"]


def test_a_broker_that_does_not_read_the_list_again_is_exit_code_13(
    server: ServerFolder, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a container: this machine cannot tell its process to reload."""
    monkeypatch.setattr(live_session, "RELOAD_TIMEOUT_S", 0.5)
    (server.path / "mosquitto" / "mosquitto.pid").unlink()
    assert main(["device", "revoke", "kitchen", "--server", str(server.path)]) == 13
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("mien: kitchen is revoked, but a connection of it may still be open (")
    assert "the MQTT broker still accepts its certificate): restart the MQTT broker" in error
    assert [device.name for device in server.devices()] == ["hallway"]


def test_a_broker_that_does_not_answer_is_exit_code_13(
    server: ServerFolder, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_session, "RESPONSE_TIMEOUT_S", 0.5)
    pid = server.mosquitto_pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(SessionMayBeOpen, match=r"kitchen is revoked.*timed out"):
            revoke_device(server, "kitchen")
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_broker_whose_clients_choose_their_ids_is_exit_code_13(server: ServerFolder, broker: Mosquitto) -> None:
    file = server.path / "mosquitto" / "mosquitto.conf"
    file.write_text(file.read_text().replace("use_username_as_clientid true\n", ""))
    with pytest.raises(SessionMayBeOpen, match=r"mosquitto\.conf lacks `use_username_as_clientid true`"):
        revoke_device(server, "kitchen")


def test_an_interrupted_revocation_can_be_repeated(server: ServerFolder, broker: Mosquitto) -> None:
    """The key was deleted, but not yet the certificate, by which a device exists."""
    (server.path / "devices" / "kitchen" / "device.key").unlink()
    with pytest.raises(SessionMayBeOpen, match=r"device\.key nobody can try whether it is refused"):
        revoke_device(server, "kitchen")
    assert [device.name for device in server.devices()] == ["hallway"]


def test_a_name_whose_connection_may_be_open_is_not_given_again(
    server: ServerFolder, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = server.path / "mosquitto" / "mosquitto.conf"
    file.write_text(file.read_text().replace("use_username_as_clientid true\n", ""))
    with pytest.raises(SessionMayBeOpen):
        revoke_device(server, "kitchen")
    assert main(["device", "add", "kitchen", "--server", str(server.path)]) == 2
    assert "the MQTT broker may still be connected to the kitchen that was revoked" in capsys.readouterr().err


def test_each_of_several_revocations_holds_without_a_restart(
    tmp_path: Path, server: ServerFolder, broker: Mosquitto
) -> None:
    """mosquitto adds each list to those that it has read before."""
    names = [f"device-{number}" for number in range(4)]
    for name in names:
        server.add(name)
    settings = {name: device_mqtt_settings(server, name) for name in names}
    for number, name in enumerate(names):
        assert revoke_device(server, name)
        for revoked in names[: number + 1]:
            with pytest.raises((ConnectionRefused, OSError)), Probe(settings[revoked], client_id=f"mien-{revoked}"):
                pass
        for other in names[number + 1 :]:
            with Probe(settings[other], client_id=f"mien-{other}") as probe:
                assert probe.publish(f"mien/{other}/motion")
    wait_for(lambda: server.mosquitto_pid is not None)
