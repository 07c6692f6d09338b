"""Who may write and read what at the MQTT broker: mosquitto's access control list, a paragraph for each client.

Topics are those of the README's table. What is not listed is refused.
"""

from collections.abc import Iterable, Iterator

from mien.topics import Topics

COLLECTOR = "_collector"
"""The collectors' name at the broker; no device can have it."""


def permissions(devices: Iterable[str], topics: Topics, home_assistant: str) -> str:
    """The list for these devices, and for collectors that make them known under `home_assistant`."""
    lines = ["# Made by mien; `mien device add` and `mien device revoke` write it anew."]
    for device in sorted(devices):
        lines += ["", f"user {device}", *_device(device, topics)]
    return "\n".join([*lines, "", f"user {COLLECTOR}", *_collector(topics, home_assistant), ""])


def _device(device: str, topics: Topics) -> Iterator[str]:
    for topic in (
        topics.observation(device),
        topics.device_status(device),
        topics.device_health(device),
        topics.device_motion(device),
        topics.model_state(device),
    ):
        yield f"topic write {topic}"
    for topic in (topics.acknowledgement(device), topics.model_desired(device), topics.collector_status("+")):
        yield f"topic read {topic}"


def _collector(topics: Topics, home_assistant: str) -> Iterator[str]:
    for topic in (
        topics.observation("+"),
        topics.device_status("+"),
        topics.device_health("+"),
        topics.device_motion("+"),
    ):
        yield f"topic read {topic}"
    yield f"topic write {topics.acknowledgement('+')}"
    yield f"topic readwrite {topics.collector_status('+')}"
    if home_assistant:
        yield f"topic read {home_assistant}/status"
        yield f"topic write {home_assistant}/device/+/config"
