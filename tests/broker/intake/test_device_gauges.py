import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from samples import make_health

from mien.broker.intake.device_gauges import DeviceGauges
from mien.messages.health import Health, encode_health


def text_after(gauges: DeviceGauges, registry: CollectorRegistry, report: Health) -> str:
    gauges.record("hallway", "health", encode_health(report), 1_800_000_000_000)
    return generate_latest(registry).decode()


def test_a_device_s_predictions_are_shown_until_it_reports_none_or_is_erased() -> None:
    registry = CollectorRegistry()
    gauges = DeviceGauges(registry)
    report = msgspec.structs.replace(make_health(), predictions={"happy": 0.75, "sad": 0.25}, mean_confidence=0.7)
    text = text_after(gauges, registry, report)
    assert 'mien_device_mean_confidence{device="hallway"} 0.7\n' in text
    assert 'mien_device_prediction_share{device="hallway",emotion="happy"} 0.75\n' in text
    assert 'mien_device_prediction_share{device="hallway",emotion="fear"} 0.0\n' in text
    text = text_after(gauges, registry, make_health())
    assert "mien_device_prediction_share{" not in text
    assert "mien_device_mean_confidence{" not in text
    assert 'mien_device_waiting_rows{device="hallway"} 3.0\n' in text
    text_after(gauges, registry, report)
    gauges.forget("hallway")
    assert "hallway" not in generate_latest(registry).decode()
