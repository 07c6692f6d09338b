"""mosquitto's access control list (ACL): which topics each client may write and read.

The README has a table of the topics. mosquitto refuses everything that is not listed.
"""

from collections.abc import Iterable, Iterator

from mien.device_name import collector_client_id
from mien.messages.topics import Topics


def mosquitto_acl(devices: Iterable[str], collectors: Iterable[str], topics: Topics, home_assistant: str) -> str:
    """The ACL for these devices, and for collectors that announce them to Home Assistant under `home_assistant`."""
    lines = ["# Made by mien; `mien device add`, `mien device revoke` and `mien server add-collector` overwrite it."]
    for device in sorted(devices):
        lines += ["", f"user {device}", *_device_rules(device, topics)]
    for collector in sorted(collectors):
        lines += ["", f"user {collector_client_id(collector)}", *_collector_rules(collector, topics, home_assistant)]
    return "\n".join([*lines, ""])


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


def _collector_rules(collector: str, topics: Topics, home_assistant: str) -> Iterator[str]:
    yield f"topic read {topics.observation('+')}"
    # It clears what the broker retains there of erased devices.
    for topic in (topics.device_status("+"), topics.device_health("+"), topics.device_motion("+")):
        yield f"topic readwrite {topic}"
    yield f"topic write {topics.acknowledgement('+')}"
    yield f"topic readwrite {topics.collector_status(collector)}"
    if home_assistant:
        yield f"topic read {home_assistant}/status"
        yield f"topic write {home_assistant}/device/+/config"
