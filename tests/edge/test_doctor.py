"""`mien doctor` against a real MQTT broker: what is well is said to be, what is not is named with its cure."""

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
from collecting import collecting
from mosquitto import Mosquitto, free_port
from samples import make_observation

import mien.broker
from mien.broker.embedded import EmbeddedBroker
from mien.broker.settings import CollectorSettings
from mien.command import main
from mien.edge.clock import Clock
from mien.edge.outbox import Outbox
from mien.mqtt import Mqtt

PORTRAIT = Path(next(iter(mien.broker.__path__))) / "portrait.jpg"
PERMISSIONS = """
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


@pytest.fixture
def doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Write a configuration, ask, and give the exit code and what is said of each subject."""

    def ask(
        mqtt: str = "", camera: str = "", motion: str = 'kind = "always"', top: str = "", outbox: Path | None = None
    ) -> tuple[int, dict[str, dict[str, str]]]:
        place = outbox or tmp_path / "outbox.db"
        (tmp_path / "agent.toml").write_text(
            f'device = "hallway"\noutbox = "{place}"\nclock = "trusted"\n{top}\n[mqtt]\n{mqtt}\n'
            f"[motion]\n{motion}\n[camera]\n{camera or _portrait(PORTRAIT)}\n"
        )
        code = main(["doctor", "--config", str(tmp_path / "agent.toml"), "--json"])
        checks = json.loads(capsys.readouterr().out)["checks"]
        return code, {check["subject"]: check for check in checks}

    return ask


@pytest.fixture
def guarded(tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A broker that knows hallway, kitchen and collector, by the password `open sesame`, and what each may do."""
    (tmp_path / "permissions").write_text(PERMISSIONS)
    accounts = tmp_path / "accounts"
    accounts.write_text("".join(f"{name}:open sesame\n" for name in ("hallway", "kitchen", "collector")))
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("mosquitto is not installed: make system")
    subprocess.run([program, "-U", str(accounts)], check=True)
    (tmp_path / "password").write_text("open sesame\n")
    (tmp_path / "password").chmod(0o600)
    return start_mosquitto("allow_anonymous false", f"password_file {accounts}", f"acl_file {tmp_path}/permissions")


def _portrait(path: Path) -> str:
    return f'kind = "portrait"\npath = "{path}"'


def _account(tmp_path: Path, broker: Mosquitto, name: str = "hallway") -> str:
    return f'port = {broker.port}\nusername = "{name}"\npassword_file = "{tmp_path}/password"'


def test_where_all_is_well_every_line_is_ok(tmp_path: Path, doctor: Doctor, guarded: Mosquitto) -> None:
    account = Mqtt(port=guarded.port, username="collector", password_file=str(tmp_path / "password"))
    with collecting(CollectorSettings(database=str(tmp_path / "mien.db"), mqtt=account)):
        code, found = doctor(_account(tmp_path, guarded))
    assert {subject: check["level"] for subject, check in found.items()} == dict.fromkeys(
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
    assert "with XNNPACK" in found["runtime"]["message"]
    assert found["camera"]["message"].endswith("faces in view: 1")
    assert "MQTT 5" in found["broker"]["message"]
    assert found["permissions"]["message"] == "writes its own topics and no other device's"
    assert found["collector"]["message"] == "collector is online"
    with closing(sqlite3.connect(tmp_path / "mien.db")) as log:  # and it left nothing behind
        assert log.execute(
            "SELECT (SELECT count(*) FROM device_state), (SELECT count(*) FROM rejected)"
        ).fetchone() == (0, 0)


def test_permissions_are_tried(tmp_path: Path, doctor: Doctor, guarded: Mosquitto) -> None:
    code, found = doctor(_account(tmp_path, guarded, "kitchen"))
    assert code == 1
    assert found["permissions"]["level"] == "error"
    assert found["permissions"]["message"] == "may not write its own topics (Not authorized)"
    _, found = doctor(_account(tmp_path, guarded, "collector"))
    assert found["permissions"]["level"] == "warning"
    assert found["permissions"]["message"] == "this account may write other devices' topics, too"


def test_a_wrong_password_is_named(tmp_path: Path, doctor: Doctor, guarded: Mosquitto) -> None:
    (tmp_path / "password").write_text("close sesame")
    (tmp_path / "password").chmod(0o644)
    code, found = doctor(_account(tmp_path, guarded))
    assert code == 1
    assert "refuses this client (Not authorized)" in found["broker"]["message"]
    assert found["broker"]["cure"].startswith("check mqtt.username, mqtt.password_file")
    assert found["secrets"]["message"] == f"{tmp_path}/password is open to other users"
    assert "close sesame" not in json.dumps(found)


def test_a_broker_that_speaks_only_the_older_mqtt_cannot_tell_permissions(doctor: Doctor) -> None:
    with EmbeddedBroker() as broker:
        code, found = doctor(f"port = {broker.port}")
    assert code == 0
    assert "MQTT 3.1.1" in found["broker"]["message"]
    assert found["permissions"]["message"] == "cannot be checked: MQTT 3.1.1 does not tell"
    assert found["collector"]["message"] == "none has ever been online"


def test_no_broker_and_no_collector_are_told_apart(doctor: Doctor, start_mosquitto: Callable[..., Mosquitto]) -> None:
    port = free_port()
    code, found = doctor(f"port = {port}")
    assert code == 1
    assert f"no broker at 127.0.0.1:{port}" in found["broker"]["message"]
    assert "collector" not in found
    code, found = doctor(f"port = {start_mosquitto().port}")
    assert code == 0
    assert found["collector"]["cure"] == "start `mien collect`; until then observations wait in the outbox"


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for localhost that nobody signed, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: make system")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "1",
            *subject,
            "-keyout",
            str(key),
            "-out",
            str(certificate),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return certificate, key


def test_encryption_is_told_and_a_stranger_s_certificate_is_not_believed(
    doctor: Doctor, certificate: tuple[Path, Path], start_mosquitto: Callable[..., Mosquitto]
) -> None:
    own, key = certificate
    broker = start_mosquitto("allow_anonymous true", f"certfile {own}", f"keyfile {key}")
    code, found = doctor(f'host = "localhost"\nport = {broker.port}\ntls = true\nca_file = "{own}"')
    assert code == 0
    assert "TLSv1.3" in found["broker"]["message"]
    code, found = doctor(f'host = "localhost"\nport = {broker.port}\ntls = true')
    assert code == 1
    assert found["broker"]["message"].endswith("is not trusted (CERTIFICATE_VERIFY_FAILED)")
    code, found = doctor(f'port = {broker.port}\ntls = true\nca_file = "{own}"')  # 127.0.0.1: not its name
    assert (code, found["broker"]["level"]) == (1, "error")


def test_a_camera_that_shows_nothing_is_told_from_a_dark_one(tmp_path: Path, doctor: Doctor) -> None:
    wall = np.full((240, 320), 128, np.uint8)
    noise = np.random.default_rng(1).integers(0, 40, (240, 320), dtype=np.uint8)
    for picture, message, cure in [
        (wall, "but it shows nothing", "take the cap off the lens, or make light"),
        (noise, "brightness", "make light"),
        (255 - noise, "brightness", "turn it away from the light"),
    ]:
        cv2.imwrite(str(tmp_path / "seen.png"), picture)
        _, found = doctor(camera=f'kind = "file"\npath = "{tmp_path}/seen.png"')
        assert found["camera"]["level"] == "warning"
        assert message in found["camera"]["message"]
        assert found["camera"]["cure"] == cure


def test_what_the_agent_could_not_start_with_is_an_error(tmp_path: Path, doctor: Doctor) -> None:
    (tmp_path / "file").touch()
    code, found = doctor(
        camera=_portrait(tmp_path / "none.jpg"),
        motion='kind = "pir"\npin = 17',
        top=f'model = "{tmp_path}/none.tflite"',
    )
    assert code == 1
    assert found["camera"]["message"] == f"{tmp_path}/none.jpg does not exist"
    assert found["sensor"]["message"].startswith("the PIR on pin 17 cannot be opened")
    assert found["model"]["cure"] == "check the path of the model"
    assert "runtime" not in found
    code, found = doctor(top=f'clock_wait_s = 1\n[faces]\ndetector = "yunet"\ndetector_model = "{tmp_path}/none.onnx"')
    assert found["faces"]["level"] == "error"


def test_a_configuration_that_is_none_is_the_only_line(doctor: Doctor) -> None:
    code, found = doctor(camera='kind = "telescope"')
    assert code == 1
    assert list(found) == ["config"]
    assert "camera.kind: Invalid enum value 'telescope'" in found["config"]["message"]


def test_a_folder_that_is_not_there_yet_is_not_made(tmp_path: Path, doctor: Doctor) -> None:
    outbox = tmp_path / "new" / "folder" / "outbox.db"
    _, found = doctor(outbox=outbox)
    assert found["outbox"]["level"] == "ok"
    assert not (tmp_path / "new").exists()


def test_what_waits_in_the_outbox_is_told_and_stays(tmp_path: Path, doctor: Doctor) -> None:
    clock = Clock("trusted")
    with Outbox(tmp_path / "outbox.db", device="hallway") as outbox:
        for _ in range(3):
            outbox.append(lambda name, seq: make_observation(name, seq), clock.moment())
        outbox.refused([(2, "schema 9")])
    _, found = doctor()
    assert found["outbox"]["message"].endswith("MB free, 2 observations waiting")
    with Outbox(tmp_path / "outbox.db", device="hallway") as outbox:
        assert outbox.depth() == 2
    (tmp_path / "outbox.db").write_bytes(b"no database at all" * 100)
    code, found = doctor()
    assert code == 1
    assert "cannot be read" in found["outbox"]["message"]


def test_a_disk_with_too_little_room_is_a_warning(tmp_path: Path, doctor: Doctor) -> None:
    _, found = doctor(top="outbox_megabytes = 1_000_000_000")
    assert found["outbox"]["level"] == "warning"
    assert found["outbox"]["cure"] == "make room for 1000000000 MB, or lower outbox_megabytes"
    assert not (tmp_path / "outbox.db").exists()


def test_people_get_a_line_each(tmp_path: Path, doctor: Doctor, capsys: pytest.CaptureFixture[str]) -> None:
    doctor(f"port = {free_port()}")
    assert main(["doctor", "--config", str(tmp_path / "agent.toml")]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"ok      config      {tmp_path}/agent.toml, device hallway"
    assert told[-1].startswith("error   broker      no broker at 127.0.0.1")
    assert told[-1].endswith(": check mqtt.host, mqtt.port and the network")
