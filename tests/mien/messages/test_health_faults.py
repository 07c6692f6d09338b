"""Health names what is wrong with camera and sensor; releases before know no names, and releases after know others."""

import msgspec
import pytest
from samples import make_health

from mien.messages.health import (
    CAMERA_FAULTS,
    SENSOR_FAULTS,
    CameraHealth,
    Health,
    SensorHealth,
    decode_health,
    encode_health,
)

CAMERA = CameraHealth(
    kind="usb", state="on", failures=2, error="", fault="black", faults={"black": 1, "stopped": 2}, color=False
)
SENSOR = SensorHealth(kind="pir", state="ok", wakes_last_hour=0, period_s=None, fault="silent")
HEALTH = msgspec.structs.replace(make_health(), camera=CAMERA, sensor=SENSOR)
FORMER_FIELDS = {
    "camera": {"kind", "state", "failures", "error"},
    "sensor": {"kind", "state", "wakes_last_hour", "period_s"},
}


def changed(part: str, **changes: object) -> Health:
    """The report with changes to one part, as it arrives."""
    report = msgspec.json.decode(encode_health(HEALTH))
    report[part] |= changes
    return decode_health(msgspec.json.encode(report))


def test_the_names_arrive() -> None:
    assert decode_health(encode_health(HEALTH)) == HEALTH


@pytest.mark.parametrize("part", ["camera", "sensor"])
def test_a_report_of_a_release_without_names_is_read(part: str) -> None:
    report = msgspec.json.decode(encode_health(HEALTH))
    report[part] = {name: value for name, value in report[part].items() if name in FORMER_FIELDS[part]}
    decoded = getattr(decode_health(msgspec.json.encode(report)), part)
    assert decoded is not None
    assert decoded.fault is None


def test_what_a_release_without_names_reads_has_not_changed() -> None:
    report = msgspec.json.decode(encode_health(HEALTH))
    for part, fields in FORMER_FIELDS.items():
        assert fields <= report[part].keys()
    assert report["sensor"]["state"] in ("warming_up", "ok", "stuck", "periodic")


def test_a_name_of_a_newer_release_is_kept() -> None:
    report = changed("camera", fault="upside_down", faults={"upside_down": 3})
    assert report.camera is not None
    assert (report.camera.fault, report.camera.faults) == ("upside_down", {"upside_down": 3})
    report = changed("sensor", fault="asleep")
    assert report.sensor is not None
    assert report.sensor.fault == "asleep"


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("camera", {"fault": "no such\nname"}),
        ("camera", {"faults": {f"fault-{number}": 1 for number in range(17)}}),
        ("camera", {"faults": {"black": -1}}),
        ("camera", {"color": "red"}),
        ("sensor", {"fault": "x" * 40}),
    ],
)
def test_a_part_with_a_malformed_name_is_left_out(part: str, changes: dict[str, object]) -> None:
    report = changed(part, **changes)
    assert getattr(report, part) is None
    assert report.outbox == HEALTH.outbox


def test_every_name_fits_in() -> None:
    for fault in CAMERA_FAULTS:
        report = changed("camera", fault=fault, faults=dict.fromkeys(CAMERA_FAULTS, 2**53))
        assert report.camera is not None
        assert report.camera.fault == fault
    for name in SENSOR_FAULTS:
        report = changed("sensor", fault=name)
        assert report.sensor is not None
        assert report.sensor.fault == name
