"""Checks the MQTT broker the way the agent uses it: encryption, account, permissions, and a collector behind it."""

import ssl
import time
from collections.abc import Iterator

import msgspec

from mien.checks import CheckResult, error, failed, ok, warning
from mien.errors import MienError
from mien.messages.status import CollectorStatus, decode_collector_status
from mien.messages.topics import Topics
from mien.mqtt.probe import Probe
from mien.mqtt.settings import MqttSettings

MIN_COLLECTOR_TIMEOUT_S, MAX_COLLECTOR_TIMEOUT_S = 0.5, 2.0
COLLECTOR_ROUND_TRIPS = 10
"""Retained messages arrive right after the subscription, or not at all: how long to wait for them, in round trips."""


def check_broker(settings: MqttSettings, device: str) -> Iterator[CheckResult]:
    """Connect once, under a separate client ID, so that a running agent is not disturbed."""
    host, port = settings.address
    topics = Topics(settings.base_topic)
    try:
        with Probe(settings, client_id=f"mien-{device}-doctor") as probe:
            message = f"{host}:{port}, MQTT {probe.version}"
            if settings.uses_tls:
                yield ok("broker", f"{message}, {probe.tls_version}")
            elif settings.is_local:
                yield ok("broker", f"{message}, not encrypted, on this machine")
            else:
                hint = "remove mqtt.tls = false: anyone on the network can read the observations and the password"
                yield warning("broker", f"{message}, not encrypted", hint)
            yield _check_permissions(probe, topics, device)
            yield _check_collectors(probe, topics, device)
    except ssl.SSLError as problem:
        hint = "check mqtt.ca_file, and that the certificate is for this host"
        yield error("broker", f"{host}:{port} is not trusted ({problem.reason or problem})", hint)
    except OSError as problem:
        hint = "check mqtt.host, mqtt.port and the network"
        yield error("broker", f"no MQTT broker at {host}:{port} ({problem})", hint)
    except MienError as problem:
        yield failed("broker", problem)


def _check_permissions(probe: Probe, topics: Topics, device: str) -> CheckResult:
    """Whether this account may write to its own topics only.

    It publishes an empty message, not retained, which mien ignores.
    """
    if probe.version != "5":
        hint = "use an MQTT broker that supports MQTT 5"
        return warning("permissions", "cannot be checked: MQTT 3.1.1 does not report them", hint)
    own_response = probe.publish(topics.device_motion(device))
    if own_response is None or not own_response.accepted:
        hint = "allow this account to write to its own topics (README, Architecture)"
        reason = own_response.reason if own_response else "no response"
        return error("permissions", f"may not write to its own topics ({reason})", hint)
    other_response = probe.publish(topics.device_motion(f"{device}-doctor"))
    if other_response is not None and not other_response.accepted:
        return ok("permissions", "may write to its own topics only")
    hint = "give each device its own account, restricted to its own topics"
    return warning("permissions", "this account may also write to other devices' topics", hint)


def _check_collectors(probe: Probe, topics: Topics, device: str) -> CheckResult:
    """Whether a collector is online."""
    acknowledgements, statuses = topics.acknowledgement(device), topics.collector_status("+")
    start_s = time.monotonic()
    responses = probe.subscribe(acknowledgements, statuses)
    subscribed_s = time.monotonic()
    if not responses or not all(response.accepted for response in responses):
        hint = f"allow this account to read {acknowledgements} and {statuses}"
        return error("collector", "may not read a collector's acknowledgements", hint)
    collectors: dict[str, CollectorStatus] = {}
    timeout_s = max(MIN_COLLECTOR_TIMEOUT_S, COLLECTOR_ROUND_TRIPS * (subscribed_s - start_s))
    deadline_s = subscribed_s + min(timeout_s, MAX_COLLECTOR_TIMEOUT_S)
    while (message := probe.next_message(deadline_s - time.monotonic())) is not None:
        try:
            status = decode_collector_status(message.payload)
        except msgspec.DecodeError:
            continue
        collectors[topics.collector_of(message.topic)] = status
        if status.state == "online":
            break
    states = ", ".join(f"{name} is {status.state}" for name, status in sorted(collectors.items()))
    if any(status.state == "online" for status in collectors.values()):
        return ok("collector", states)
    hint = "start `mien collect`; until then observations wait in the outbox"
    return warning("collector", states or "none has ever been online", hint)
