"""Announces devices to Home Assistant by MQTT device discovery, so that they appear there automatically.

The format is Home Assistant's (its documentation, "MQTT", "Device discovery payload"). Home Assistant reads the
devices' own topics; nothing is published twice.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from mien.emotions import EMOTIONS
from mien.messages.health import SENSOR_STATES
from mien.messages.status import DeviceStatus, decode_device_status
from mien.messages.topics import OBSERVATION, Topics
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
                # Home Assistant 2024.12 does not hand a device's `qos` on to its components.
                name: {
                    **component,
                    "unique_id": f"{self._topics.base_topic}-{device}-{name}",
                    "qos": 1,
                    "value_template": _guard(**component),
                }
                for name, component in self._components(device).items()
            },
            "availability_topic": self._topics.device_status(device),
            "availability_template": "{{ 'online' if value_json is defined and value_json.state == 'online' "
            "else 'offline' }}",
        }
        content = f"Home Assistant's discovery of {device}"
        return Message(self._config_topic(device), msgspec.json.encode(payload), retain=True, content=content)

    def _components(self, device: str) -> dict[str, dict[str, Any]]:
        # Not decoded, since a batch is not UTF-8: Home Assistant would log a warning for each, with its content.
        observation = {"platform": "sensor", "state_topic": self._topics.observation(device), "encoding": ""}
        health = {"state_topic": self._topics.device_health(device), "entity_category": "diagnostic"}
        measurement = {"platform": "sensor", **health, "state_class": "measurement"}
        # `sug_dsp_prc` is short for suggested_display_precision: the message has to fit into a packet of the server.
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
                "value_template": "{{ value_json.emotion }}",
            },
            "confidence": {
                **observation,
                "name": "Last confidence",
                "icon": "mdi:percent",
                "unit_of_measurement": "%",
                "state_class": "measurement",
                "sug_dsp_prc": 0,
                "value_template": "{{ (value_json.confidence * 100) | round(1) }}",
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
                "device_class": "enum",
                "options": list(SENSOR_STATES),
                "value_template": "{{ value_json.sensor.state if value_json.sensor else none }}",
            },
            "camera": {
                "platform": "binary_sensor",
                **health,
                "name": "Camera",
                "device_class": "problem",
                "value_template": "{{ none if not value_json.camera "
                "else 'ON' if value_json.camera.state == 'failing' else 'OFF' }}",
            },
            "frame": {
                **measurement,
                "name": "Frame time (p95)",
                "device_class": "duration",
                "unit_of_measurement": "ms",
                "sug_dsp_prc": 0,
                "value_template": "{{ value_json.vision.frame_ms_p95 if value_json.vision else none }}",
            },
            "temperature": {
                **measurement,
                "device_class": "temperature",
                "unit_of_measurement": "°C",
                "sug_dsp_prc": 1,
                "value_template": "{{ value_json.machine.temperature_celsius if value_json.machine else none }}",
            },
            "throttled": {
                "platform": "binary_sensor",
                **health,
                "name": "Throttled",
                "device_class": "problem",
                "value_template": "{{ none if not value_json.machine or value_json.machine.throttled is none "
                "else 'ON' if value_json.machine.throttled else 'OFF' }}",
            },
            "disk": {
                **measurement,
                "name": "Disk free",
                "device_class": "data_size",
                "unit_of_measurement": "GiB",
                "sug_dsp_prc": 1,
                "value_template": "{{ (value_json.machine.disk_free_bytes / 2**30) | round(2) "
                "if value_json.machine else none }}",
            },
        }


def _guard(state_topic: str, value_template: str, options: Sequence[str] = (), **_: object) -> str:
    """The template for messages that have the value; the others leave the entity as it is.

    These are the batches of a device that catches up, which are no JSON and are of the past; declared losses, without
    an emotion; and the empty messages that clear what an MQTT broker retains of an erased device. Home Assistant
    ignores an empty result, except that it warns of one for an entity with options: that gets its own state again.
    """
    is_observation = state_topic.endswith(f"/{OBSERVATION}")
    condition = "value_json is defined" + (" and value_json.emotion is defined" if is_observation else "")
    unchanged = f"{{{{ this.state if this.state in {list(options)} else none }}}}" if options else ""
    return f"{{% if {condition} %}}{value_template}{{% else %}}{unchanged}{{% endif %}}"
