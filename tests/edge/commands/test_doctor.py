"""`mien doctor` against a real MQTT broker: what works is reported as ok, what does not is named with its fix."""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from certificates import self_signed_certificate
from mosquitto import Mosquitto, free_port
from running_collector import running_collector
from samples import make_draft
from scripted_broker import WILDCARDS_AVAILABLE, ScriptedBroker

from mien.broker.demo.embedded_broker import EmbeddedBroker
from mien.broker.settings import CollectorSettings
from mien.cli import main
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox
from mien.mqtt.settings import MqttSettings

ACL = """
user hallway
topic write mien/hallway/observation
topic write mien/hallway/status
topic write mien/hallway/health
topic write mien/hallway/motion
topic read mien/hallway/ack
topic read mien/_collector/+/status

user kitchen
topic write mien/kitchen/motion
topic read mien/hallway/ack

user collector
topic readwrite mien/#
"""

Doctor = Callable[..., tuple[int, dict[str, dict[str, str]]]]
"""Writes the settings and runs the command; returns its exit code and the results by subject."""


@pytest.fixture
def doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Doctor:
    def run(
        mqtt: str = "",
        camera: str = 'kind = "demo"',
        motion: str = 'kind = "always"',
        top: str = "",
        outbox: Path | None = None,
    ) -> tuple[int, dict[str, dict[str, str]]]:
        (tmp_path / "agent.toml").write_text(
            f'device = "hallway"\noutbox = "{outbox or tmp_path / "outbox.db"}"\nclock = "trusted"\n{top}\n'
            f"[mqtt]\n{mqtt}\n[motion]\n{motion}\n[camera]\n{camera}\n"
        )
        code = main(["doctor", "--config", str(tmp_path / "agent.toml"), "--json"])
        checks = json.loads(capsys.readouterr().out)["checks"]
        return code, {check["subject"]: check for check in checks}

    return run


@pytest.fixture
def broker_with_acl(tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A broker with the accounts hallway, kitchen and collector, the password `open sesame`, and an ACL."""
    (tmp_path / "acl").write_text(ACL)
    accounts = tmp_path / "accounts"
    accounts.write_text("".join(f"{name}:open sesame\n" for name in ("hallway", "kitchen", "collector")))
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("mosquitto is not installed: make system")
    subprocess.run([program, "-U", str(accounts)], check=True)
    (tmp_path / "password").write_text("open sesame\n")
    (tmp_path / "password").chmod(0o600)
    return start_mosquitto("allow_anonymous false", f"password_file {accounts}", f"acl_file {tmp_path}/acl")


def _account(tmp_path: Path, broker: Mosquitto, name: str = "hallway") -> str:
    return f'port = {broker.port}\nusername = "{name}"\npassword_file = "{tmp_path}/password"'


def test_every_result_is_ok_if_everything_works(tmp_path: Path, doctor: Doctor, broker_with_acl: Mosquitto) -> None:
    account = MqttSettings(port=broker_with_acl.port, username="collector", password_file=str(tmp_path / "password"))
    with running_collector(CollectorSettings(database=str(tmp_path / "mien.db"), mqtt=account)):
        code, results = doctor(_account(tmp_path, broker_with_acl))
    assert {subject: check["level"] for subject, check in results.items()} == dict.fromkeys(
        [
            "config",
            "model",
            "runtime",
            "faces",
            "sensor",
            "camera",
            "outbox",
            "clock",
            "secrets",
            "broker",
            "permissions",
            "collector",
        ],
        "ok",
    )
    assert code == 0
    assert "with XNNPACK" in results["runtime"]["message"]
    assert results["camera"]["message"].endswith("faces in view: 1")
    assert "MQTT 5" in results["broker"]["message"]
    assert results["permissions"]["message"] == "may write to its own topics only"
    assert results["collector"]["message"] == "collector is online"
    with closing(sqlite3.connect(tmp_path / "mien.db")) as log:  # and the check itself stored nothing
        assert log.execute(
            "SELECT (SELECT count(*) FROM device_state), (SELECT count(*) FROM rejected)"
        ).fetchone() == (0, 0)


def test_permissions_are_tested(tmp_path: Path, doctor: Doctor, broker_with_acl: Mosquitto) -> None:
    code, results = doctor(_account(tmp_path, broker_with_acl, "kitchen"))
    assert code == 1
    assert results["permissions"]["level"] == "error"
    assert results["permissions"]["message"] == "may not write to its own topics (Not authorized)"
    _, results = doctor(_account(tmp_path, broker_with_acl, "collector"))
    assert results["permissions"]["level"] == "warning"
    assert results["permissions"]["message"] == "this account may also write to other devices' topics"


def test_a_wrong_password_is_named(tmp_path: Path, doctor: Doctor, broker_with_acl: Mosquitto) -> None:
    (tmp_path / "password").write_text("close sesame")
    (tmp_path / "password").chmod(0o644)
    code, results = doctor(_account(tmp_path, broker_with_acl))
    assert code == 1
    assert "refused this client (Not authorized)" in results["broker"]["message"]
    assert results["broker"]["hint"].startswith("check mqtt.username, mqtt.password_file")
    assert results["secrets"]["message"] == f"{tmp_path}/password is accessible to other users"
    assert "close sesame" not in json.dumps(results)


def test_a_broker_without_mqtt_5_cannot_report_permissions(doctor: Doctor) -> None:
    with EmbeddedBroker() as broker:
        code, results = doctor(f"port = {broker.port}")
    assert code == 0
    assert "MQTT 3.1.1" in results["broker"]["message"]
    assert results["permissions"]["message"] == "cannot be checked: MQTT 3.1.1 does not report them"
    assert results["collector"]["message"] == "none has ever been online"


@pytest.mark.parametrize(
    ("limit", "level", "message"),
    [
        (
            "max_packet_size 1024",
            "warning",
            "the MQTT broker accepts packets of at most 1024 bytes: health reports may lack parts, and catching up "
            "takes longer",
        ),
        (
            "max_packet_size 500",
            "error",
            "the MQTT broker accepts packets of at most 500 bytes, which observations exceed",
        ),
        ("max_qos 0", "warning", "the MQTT broker accepts only QoS 0: what is lost on the network is sent again late"),
        (
            "retain_available false",
            "warning",
            "the MQTT broker keeps no retained messages: whoever connects later learns a device's state late",
        ),
    ],
)
def test_the_brokers_limits_are_named(
    doctor: Doctor, start_mosquitto: Callable[..., Mosquitto], limit: str, level: str, message: str
) -> None:
    code, results = doctor(f"port = {start_mosquitto('allow_anonymous true', limit).port}")
    assert (results["limits"]["level"], results["limits"]["message"]) == (level, message)
    assert results["limits"]["hint"]
    assert code == (1 if level == "error" else 0)
    if limit == "max_qos 0":
        assert results["permissions"]["message"] == "cannot be checked: the MQTT broker accepts only QoS 0"
    if limit == "retain_available false":
        assert results["collector"]["message"] == "cannot be checked: the MQTT broker keeps no retained messages"


def test_a_broker_without_wildcards_is_an_error(doctor: Doctor) -> None:
    with ScriptedBroker(announced={WILDCARDS_AVAILABLE: 0}) as broker:
        code, results = doctor(f"port = {broker.port}")
    assert code == 1
    assert results["collector"]["message"] == (
        "the MQTT broker refuses the subscription to mien/_collector/+/status (Wildcard subscription not supported)"
    )
    assert results["collector"]["hint"].startswith("allow wildcards on the broker")


def test_a_missing_broker_is_distinguished_from_a_missing_collector(
    doctor: Doctor, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    port = free_port()
    code, results = doctor(f"port = {port}")
    assert code == 1
    assert f"no MQTT broker at 127.0.0.1:{port}" in results["broker"]["message"]
    assert "collector" not in results
    code, results = doctor(f"port = {start_mosquitto().port}")
    assert code == 0
    assert results["collector"]["hint"] == "start `mien collect`; until then observations wait in the outbox"


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key."""
    return self_signed_certificate(tmp_path)


def test_encryption_is_reported_and_an_unknown_certificate_is_not_trusted(
    doctor: Doctor, certificate: tuple[Path, Path], start_mosquitto: Callable[..., Mosquitto]
) -> None:
    certificate_file, key_file = certificate
    broker = start_mosquitto("allow_anonymous true", f"certfile {certificate_file}", f"keyfile {key_file}")
    code, results = doctor(f'host = "localhost"\nport = {broker.port}\ntls = true\nca_file = "{certificate_file}"')
    assert code == 0
    assert "TLSv1.3" in results["broker"]["message"]
    code, results = doctor(f'host = "localhost"\nport = {broker.port}\ntls = true')
    assert code == 1
    assert results["broker"]["message"].endswith("is not trusted (CERTIFICATE_VERIFY_FAILED)")
    code, results = doctor(f'port = {broker.port}\ntls = true\nca_file = "{certificate_file}"')  # not for 127.0.0.1
    assert (code, results["broker"]["level"]) == (1, "error")


def test_a_blank_image_is_distinguished_from_a_dark_one(tmp_path: Path, doctor: Doctor) -> None:
    wall = np.full((240, 320), 128, np.uint8)
    noise = np.random.default_rng(1).integers(0, 40, (240, 320), dtype=np.uint8)
    for image, message, hint in [
        (wall, "but the image is blank", "remove the lens cap, or turn on a light"),
        (noise, "too dark", "turn on a light"),
        (255 - noise, "too bright", "turn the camera away from the light"),
    ]:
        cv2.imwrite(str(tmp_path / "image.png"), image)
        _, results = doctor(camera=f'kind = "file"\npath = "{tmp_path}/image.png"')
        assert results["camera"]["level"] == "warning"
        assert "brightness" in results["camera"]["message"]
        assert message in results["camera"]["message"]
        assert results["camera"]["hint"] == hint


def test_a_part_that_the_agent_cannot_start_with_is_an_error(tmp_path: Path, doctor: Doctor) -> None:
    code, results = doctor(
        camera=f'kind = "demo"\npath = "{tmp_path}/none.jpg"',
        motion='kind = "pir"\npin = 17',
        top=f'model = "{tmp_path}/none.tflite"',
    )
    assert code == 1
    assert results["camera"]["message"] == f"{tmp_path}/none.jpg does not exist"
    assert results["sensor"]["message"].startswith("the PIR on pin 17 cannot be opened")
    assert results["model"]["hint"] == "check the path of the model"
    assert "runtime" not in results
    code, results = doctor(
        top=f'clock_wait_s = 1\n[faces]\ndetector = "yunet"\ndetector_model = "{tmp_path}/none.onnx"'
    )
    assert results["faces"]["level"] == "error"


def test_an_invalid_configuration_is_the_only_result(doctor: Doctor) -> None:
    code, results = doctor(camera='kind = "telescope"')
    assert code == 1
    assert list(results) == ["config"]
    assert "camera.kind: Invalid enum value 'telescope'" in results["config"]["message"]


def test_a_missing_folder_is_not_created(tmp_path: Path, doctor: Doctor) -> None:
    outbox = tmp_path / "new" / "folder" / "outbox.db"
    _, results = doctor(outbox=outbox)
    assert results["outbox"]["level"] == "ok"
    assert not (tmp_path / "new").exists()


def test_rows_that_wait_in_the_outbox_are_counted_and_stay(tmp_path: Path, doctor: Doctor) -> None:
    clock = Clock("trusted")
    with Outbox(tmp_path / "outbox.db", device="hallway") as outbox:
        for _ in range(3):
            outbox.append(make_draft(), clock.now())
        outbox.mark_rejected([(2, "schema 9")])
    _, results = doctor()
    assert results["outbox"]["message"].endswith("MB free, 2 observations waiting")
    with Outbox(tmp_path / "outbox.db", device="hallway") as outbox:
        assert outbox.count_waiting() == 2
    (tmp_path / "outbox.db").write_bytes(b"not a database at all" * 100)
    code, results = doctor()
    assert code == 1
    assert "cannot be read" in results["outbox"]["message"]


def test_an_outbox_of_another_release_is_an_error(tmp_path: Path, doctor: Doctor) -> None:
    with closing(sqlite3.connect(tmp_path / "outbox.db")) as database, database:
        database.execute("PRAGMA user_version = 99")
    code, results = doctor()
    assert code == 1
    assert results["outbox"]["level"] == "error"
    assert "was made by another release of mien" in results["outbox"]["message"]


def test_a_disk_with_too_little_space_is_a_warning(tmp_path: Path, doctor: Doctor) -> None:
    _, results = doctor(top="outbox_max_mb = 1_000_000_000")
    assert results["outbox"]["level"] == "warning"
    assert results["outbox"]["hint"] == "free up 1000000000 MB, or lower outbox_max_mb"
    assert not (tmp_path / "outbox.db").exists()


def test_without_json_each_result_is_one_line(
    tmp_path: Path, doctor: Doctor, capsys: pytest.CaptureFixture[str]
) -> None:
    doctor(f"port = {free_port()}")
    assert main(["doctor", "--config", str(tmp_path / "agent.toml")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"ok      config       {tmp_path}/agent.toml, device hallway"
    assert lines[-1].startswith("error   broker       no MQTT broker at 127.0.0.1")
    assert lines[-1].endswith(": check mqtt.host, mqtt.port and the network")
