"""Announces devices to Home Assistant by MQTT device discovery, so that they appear there automatically.

The format is Home Assistant's (its documentation, "MQTT", "Device discovery payload"). Home Assistant reads the
devices' own topics; nothing is published twice.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from mien.emotions import EMOTIONS
from mien.messages.status import DeviceStatus, decode_device_status
from mien.messages.topics import Topics
from mien.mqtt.events import Message
from mien.version import VERSION

BIRTH_PAYLOAD = b"online"
"""What Home Assistant publishes on its status topic when it has started."""


class HomeAssistant:
    """The discovery messages published since the collector's connection began."""

    def __init__(self, prefix: str, topics: Topics) -> None:
        """`prefix` is the first level of Home Assistant's own topics."""
        self._prefix = prefix
        self._topics = topics
        self._announced: dict[str, Message] = {}
        self.status_topic = f"{prefix}/status"

    def reset(self) -> None:
        """Start over: an MQTT broker that was restarted may have lost its retained messages."""
        self._announced.clear()

    def announce_device(self, device: str, status: bytes) -> Iterator[Message]:
        """What to publish when a device has published its status: nothing if the announcement would be the same."""
        try:
            message = self._discovery(device, decode_device_status(status))
        except msgspec.DecodeError:
            return
        if self._announced.get(device) != message:
            self._announced[device] = message
            yield message

    def handle_status(self, status: bytes) -> Iterator[Message]:
        """What to publish when Home Assistant has published its status: every announcement if it has restarted."""
        if status == BIRTH_PAYLOAD:
            yield from self._announced.values()

    def forget_device(self, device: str) -> Message:
        """What to publish so that a device disappears; it is announced again when it publishes its status."""
        self._announced.pop(device, None)
        return Message(self._config_topic(device), b"", retain=True)

    def _config_topic(self, device: str) -> str:
        return f"{self._prefix}/device/{device}/config"

    def _discovery(self, device: str, status: DeviceStatus) -> Message:
        payload = {
            "device": {
                "identifiers": [f"{self._topics.base_topic}-{device}"],
                "name": device,
                "manufacturer": "mien",
                "model": "agent",
                "sw_version": status.agent,
            },
            "origin": {"name": "mien", "sw_version": VERSION},
            "components": {
                name: {**component, "unique_id": f"{self._topics.base_topic}-{device}-{name}"}
                for name, component in self._components(device).items()
            },
            "availability_topic": self._topics.device_status(device),
            "availability_template": "{{ 'online' if value_json.state == 'online' else 'offline' }}",
            "qos": 1,
        }
        content = f"Home Assistant's discovery of {device}"
        return Message(self._config_topic(device), msgspec.json.encode(payload), retain=True, content=content)

    def _components(self, device: str) -> dict[str, dict[str, Any]]:
        observation = {"platform": "sensor", "state_topic": self._topics.observation(device)}
        health = {"state_topic": self._topics.device_health(device), "entity_category": "diagnostic"}
        measurement = {"platform": "sensor", **health, "state_class": "measurement"}
        return {
            "motion": {
                "platform": "binary_sensor",
                "device_class": "motion",
                "state_topic": self._topics.device_motion(device),
                "value_template": "{{ value_json.state }}",
                "payload_on": "on",
                "payload_off": "off",
            },
            "emotion": {
                **observation,
                "name": "Last emotion",
                "icon": "mdi:emoticon-outline",
                "device_class": "enum",
                "options": list(EMOTIONS),
                "value_template": "{{ value_json.emotion | default('') }}",  # a declared loss has none
            },
            "confidence": {
                **observation,
                "name": "Last confidence",
                "icon": "mdi:percent",
                "unit_of_measurement": "%",
                "state_class": "measurement",
                "value_template": "{{ (value_json.confidence * 100) | round(1) if value_json.confidence }}",
            },
            "waiting": {
                **measurement,
                "name": "Observations waiting",
                "icon": "mdi:tray-full",
                "value_template": "{{ value_json.outbox.waiting }}",
            },
            "sensor": {
                "platform": "sensor",
                **health,
                "name": "Motion sensor",
                "icon": "mdi:motion-sensor",
                "value_template": "{{ value_json.sensor.state if value_json.sensor else none }}",
            },
            "camera": {
                "platform": "binary_sensor",
                **health,
                "name": "Camera",
                "device_class": "problem",
                "value_template": "{{ 'ON' if value_json.camera and value_json.camera.state == 'failing' else 'OFF' }}",
            },
            "frame": {
                **measurement,
                "name": "Frame time (p95)",
                "device_class": "duration",
                "unit_of_measurement": "ms",
                "value_template": "{{ value_json.vision.frame_ms_p95 if value_json.vision else none }}",
            },
            "temperature": {
                **measurement,
                "device_class": "temperature",
                "unit_of_measurement": "°C",
                "value_template": "{{ value_json.machine.temperature_celsius if value_json.machine else none }}",
            },
            "throttled": {
                "platform": "binary_sensor",
                **health,
                "name": "Throttled",
                "device_class": "problem",
                "value_template": "{{ 'ON' if value_json.machine and value_json.machine.throttled else 'OFF' }}",
            },
            "disk": {
                **measurement,
                "name": "Disk free",
                "device_class": "data_size",
                "unit_of_measurement": "B",
                "value_template": "{{ value_json.machine.disk_free_bytes if value_json.machine else none }}",
            },
        }
