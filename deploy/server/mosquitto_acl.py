"""mosquitto's access control list (ACL): which topics each client may write and read.

The README has a table of the topics. mosquitto refuses everything that is not listed.
"""

from collections.abc import Iterable, Iterator

from mien.messages.topics import Topics

COLLECTOR = "_collector"
"""The name of all collectors at the MQTT broker; no device can have it."""


def mosquitto_acl(devices: Iterable[str], topics: Topics, home_assistant: str) -> str:
    """The ACL for these devices, and for collectors that announce them to Home Assistant under `home_assistant`."""
    lines = ["# Made by mien; `mien device add` and `mien device revoke` overwrite it."]
    for device in sorted(devices):
        lines += ["", f"user {device}", *_device_rules(device, topics)]
    return "\n".join([*lines, "", f"user {COLLECTOR}", *_collector_rules(topics, home_assistant), ""])


def _device_rules(device: str, topics: Topics) -> Iterator[str]:
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


def _collector_rules(topics: Topics, home_assistant: str) -> Iterator[str]:
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
