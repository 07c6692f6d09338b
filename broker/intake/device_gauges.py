"""What devices report of themselves, for Prometheus."""

from contextlib import suppress
from functools import partial

import msgspec
from prometheus_client import CollectorRegistry, Gauge

from mien.emotions import EMOTIONS
from mien.messages.health import Health, decode_health
from mien.messages.status import decode_device_status
from mien.messages.topics import HEALTH, STATUS

STATES = ("online", "stopped", "offline")


class DeviceGauges:
    """The metrics of all devices, from their retained messages."""

    def __init__(self, registry: CollectorRegistry) -> None:
        gauge = partial(Gauge, registry=registry, namespace="mien", labelnames=["device"])
        self._state = Gauge(
            "device_state",
            "1 for the state that a device is in: online, stopped (on purpose) or offline.",
            ["device", "state"],
            registry=registry,
            namespace="mien",
        )
        self._reported = gauge(
            "device_report_timestamp_seconds", "When the last health report of a device was received (Unix time)."
        )
        self._clock_synced = gauge("device_clock_synced", "1 if a device's clock is synchronized, else 0.")
        self._disk_free = gauge("device_disk_free_bytes", "Free space for a device's outbox.")
        self._waiting = gauge("device_waiting_rows", "Observations in a device's outbox that are not stored yet.")
        self._dropped = gauge(
            "device_dropped_rows", "Observations deleted because an outbox was full, since the agent's start."
        )
        self._write_errors = gauge(
            "device_write_errors", "Observations that could not be written to an outbox, since the agent's start."
        )

        self._mean_confidence = gauge(
            "device_mean_confidence", "Mean confidence of a device's observations of the last hour before its report."
        )
        self._predictions = Gauge(
            "device_prediction_share",
            "Share of an emotion among a device's observations of the last hour before its report.",
            ["device", "emotion"],
            registry=registry,
            namespace="mien",
        )

    def record(self, device: str, kind: str, payload: bytes, received_ms: int) -> None:
        """Show a device's status or health report; an invalid one is ignored."""
        try:
            if kind == STATUS:
                status = decode_device_status(payload)
                for state in STATES:
                    self._state.labels(device, state).set(state == status.state)
            elif kind == HEALTH:
                health = decode_health(payload)
                self._reported.labels(device).set(received_ms / 1000)
                self._waiting.labels(device).set(health.outbox.waiting)
                self._dropped.labels(device).set(health.outbox.dropped)
                self._write_errors.labels(device).set(health.outbox.write_errors)
                if health.machine is not None:
                    self._clock_synced.labels(device).set(health.machine.clock == "synced")
                    self._disk_free.labels(device).set(health.machine.disk_free_bytes)
                self._record_predictions(device, health)
        except msgspec.DecodeError:
            return

    def _record_predictions(self, device: str, health: Health) -> None:
        """Nothing is shown of a device that has observed nothing: the last hour's shares would mislead."""
        self._forget_predictions(device)
        if health.predictions is not None and health.mean_confidence is not None:
            self._mean_confidence.labels(device).set(health.mean_confidence)
            for emotion in EMOTIONS:
                self._predictions.labels(device, emotion).set(health.predictions.get(emotion, 0.0))

    def _forget_predictions(self, device: str) -> None:
        with suppress(KeyError):
            self._mean_confidence.remove(device)
        for emotion in EMOTIONS:
            with suppress(KeyError):
                self._predictions.remove(device, emotion)

    def forget(self, device: str) -> None:
        """Remove an erased device."""
        self._forget_predictions(device)
        per_device = (self._reported, self._clock_synced, self._disk_free, self._waiting)
        for gauge in (*per_device, self._dropped, self._write_errors):
            with suppress(KeyError):
                gauge.remove(device)
        for state in STATES:
            with suppress(KeyError):
                self._state.remove(device, state)
