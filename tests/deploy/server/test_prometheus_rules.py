"""The alerts for Prometheus: its own program accepts them, and the collector has each metric that they name."""

import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
import yaml
from prometheus_client import generate_latest
from samples import make_health

from mien.broker.ingest.metrics import Metrics
from mien.broker.predictions.drift_gauge import DriftGauge
from mien.deploy.server.folder import ServerFolder
from mien.messages.health import MachineHealth, encode_health
from mien.messages.status import DeviceStatus, encode_device_status

MACHINE = MachineHealth(clock="synced", disk_free_bytes=1_000_000_000, temperature_celsius=None, throttled=None)
HEALTH = msgspec.structs.replace(make_health(), machine=MACHINE)
PROMTOOL_TEST = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {{series: 'mien_online', values: '1x60'}}
      - {{series: 'mien_busy{{reason="clock"}}', values: '0x20 1x40'}}
      - {{series: 'mien_device_state{{device="quiet", state="offline"}}', values: '0x20 1x40'}}
      - {{series: 'mien_device_state{{device="quiet", state="stopped"}}', values: '0x60'}}
      - {{series: 'mien_device_state{{device="shelved", state="offline"}}', values: '0x60'}}
      - {{series: 'mien_device_state{{device="shelved", state="stopped"}}', values: '1x60'}}
      - {{series: 'mien_device_report_timestamp_seconds{{device="shelved"}}', values: '0x60'}}
      - {{series: 'mien_device_report_timestamp_seconds{{device="stuck"}}', values: '0x60'}}
      - {{series: 'mien_device_clock_synced{{device="lost"}}', values: '0x60'}}
      - {{series: 'mien_device_disk_free_bytes{{device="full"}}', values: '1000000x60'}}
      - {{series: 'mien_disk_free_bytes{{job="mien"}}', values: '2000000000x30 1000000x30'}}
      - {{series: 'mien_gaps{{device="torn"}}', values: '0x30 5x30'}}
      - {{series: 'mien_device_dropped_rows{{device="brimful"}}', values: '0x30 5x30'}}
      - {{series: 'mien_discarded_rows_total{{device="flooder"}}', values: '0x50 1+9x10'}}
      - {{series: 'mien_device_drift{{device="moved"}}', values: '0.2x10 0.3x50'}}
      - {{series: 'mien_device_drift{{device="steady"}}', values: '0.24x60'}}
      - {{series: 'mien_certificate_expiry_timestamp_seconds{{certificate="ca"}}', values: '5000000x60'}}
    promql_expr_test:
      - expr: count by (alertname, device, reason, certificate) (ALERTS{{alertstate="firing"}})
        eval_time: 59m
        exp_samples: [{samples}]
"""
FIRING = {
    "MienCollectorBusy": ['reason="clock"'],
    "MienDeviceSilent": ['device="quiet"', 'device="stuck"'],
    "MienDeviceClock": ['device="lost"'],
    "MienServerDisk": [""],
    "MienDeviceDisk": ['device="full"'],
    "MienGaps": ['device="torn"'],
    "MienOutboxOverflow": ['device="brimful"'],
    "MienDeviceFloods": ['device="flooder"'],
    "MienDeviceDrift": ['device="moved"'],
    "MienCertificateExpires": ['certificate="ca"'],
}
"""At the end of PROMTOOL_TEST."""


def test_the_collector_has_each_metric_that_an_alert_names(server: ServerFolder) -> None:
    rules = _rules(server)
    named = {name for rule in rules for name in re.findall(r"\bmien_\w+", rule["expr"])}
    metrics = Metrics()
    metrics.watch_disk(server.path)
    metrics.registry.register(DriftGauge(list))
    status = encode_device_status(DeviceStatus(state="online", agent="0.1.0", model=""))
    metrics.devices.record("hallway", "status", status, 1000)
    metrics.devices.record("hallway", "health", encode_health(HEALTH), 1000)
    exported = set(re.findall(r"^# TYPE (mien_\w+)", generate_latest(metrics.registry).decode(), re.MULTILINE))
    assert len(rules) >= 8
    assert named <= exported


def test_an_erased_device_has_no_metrics() -> None:
    metrics = Metrics()
    status = encode_device_status(DeviceStatus(state="online", agent="0.1.0", model=""))
    for device in ("hallway", "kitchen"):
        metrics.devices.record(device, "status", status, 1000)
        metrics.devices.record(device, "health", encode_health(HEALTH), 1000)
        metrics.devices.record(device, "health", b"{}", 1000)
    metrics.devices.forget("hallway")
    metrics.devices.forget("cellar")
    exported = generate_latest(metrics.registry).decode()
    assert 'mien_device_state{device="kitchen",state="online"} 1.0' in exported
    assert "hallway" not in exported


@pytest.fixture
def promtool() -> str:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: make system")
    return program


def test_prometheus_accepts_the_alerts(server: ServerFolder, promtool: str) -> None:
    result = subprocess.run(
        [promtool, "check", "rules", server.path / "prometheus-rules.yaml"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_each_alert_fires_for_its_cause_only(tmp_path: Path, server: ServerFolder, promtool: str) -> None:
    samples = ", ".join(
        f"{{labels: '{_label_set(name, label)}', value: 1}}" for name, labels in FIRING.items() for label in labels
    )
    test = tmp_path / "test.yaml"
    test.write_text(PROMTOOL_TEST.format(rules=server.path / "prometheus-rules.yaml", samples=samples))
    result = subprocess.run([promtool, "test", "rules", test], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def _label_set(name: str, label: str) -> str:
    labels = [f'alertname="{name}"', *([label] if label else [])]
    return f"{{{', '.join(labels)}}}"


def _rules(server: ServerFolder) -> list[dict[str, str]]:
    content = yaml.safe_load((server.path / "prometheus-rules.yaml").read_text())
    return [rule for group in content["groups"] for rule in group["rules"]]
