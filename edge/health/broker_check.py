"""Checks the MQTT broker the way the agent uses it: encryption, account, permissions, and a collector behind it."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from mien.checks import CheckResult, error, failed, ok, warning
from mien.device_name import doctor_client_id
from mien.errors import ConnectionRefused, MienError
from mien.messages.status import CollectorStatus, decode_collector_status
from mien.messages.topics import Topics
from mien.mqtt.failure import describe_failure
from mien.mqtt.limits import BrokerLimits
from mien.mqtt.probe import Probe, try_handshake
from mien.mqtt.settings import MqttSettings
from mien.tls.certificate import EXPIRES_SOON, read_expiry

MIN_PACKET_BYTES = 1024
"""Of an observation, in a packet to a topic with a long name."""
COMFORTABLE_PACKET_BYTES = 5000
"""Of Home Assistant's discovery and a whole health report; larger batches are hardly smaller per row."""
MIN_COLLECTOR_TIMEOUT_S, MAX_COLLECTOR_TIMEOUT_S = 0.5, 2.0
COLLECTOR_ROUND_TRIPS = 10
"""Retained messages arrive right after the subscription, or not at all: how long to wait for them, in round trips."""


def check_broker(settings: MqttSettings, device: str, *, is_agent_running: bool = False) -> Iterator[CheckResult]:
    """Connect once. While an agent runs, only open a TLS connection: if the MQTT broker takes client IDs from
    certificates or accounts, a second client with the agent's would throw it out."""
    host, port = settings.address
    topics = Topics(settings.base_topic)
    yield from _check_certificates(settings)
    try:
        if is_agent_running:
            yield _check_encryption(settings, f"{host}:{port}", try_handshake(settings))
            hint = "stop it to check them (`systemctl stop mien-agent`)"
            message = "not checked, and no collector either: an agent is running, whose connection that could end"
            yield warning("permissions", message, hint)
            return
        with Probe(settings, client_id=doctor_client_id(device)) as probe:
            yield _check_encryption(settings, f"{host}:{port}, MQTT {probe.version}", probe.tls_version)
            yield from _check_limits(probe.limits)
            yield _check_permissions(probe, topics, device)
            yield _check_collectors(probe, topics, device)
    except (OSError, ValueError) as problem:
        yield failed("broker", ConnectionRefused(describe_failure(settings, problem)))
    except MienError as problem:
        yield failed("broker", problem)


def _check_certificates(settings: MqttSettings) -> Iterator[CheckResult]:
    """A result for each certificate that has expired or will soon."""
    files = {"mqtt.certificate_file": settings.certificate_file, "mqtt.ca_file": settings.ca_file}
    for name, file in files.items():
        if file is None or not settings.uses_tls:
            continue
        try:
            expires_at = read_expiry(Path(file))
        except (OSError, ValueError):
            continue  # the connection will report it
        remaining = expires_at - datetime.now(UTC)
        if remaining < EXPIRES_SOON:
            result = warning if remaining.total_seconds() > 0 else error
            hint = "renew it on the server, and install it here"
            yield result("certificate", f"{name} {file} expires on {expires_at:%Y-%m-%d}", hint)


def _check_encryption(settings: MqttSettings, message: str, tls_version: str) -> CheckResult:
    if settings.uses_tls:
        return ok("broker", f"{message}, {tls_version}")
    if settings.is_local:
        return ok("broker", f"{message}, not encrypted, on this machine")
    hint = "remove mqtt.tls = false: anyone on the network can read the observations and the password"
    return warning("broker", f"{message}, not encrypted", hint)


def _check_limits(limits: BrokerLimits) -> Iterator[CheckResult]:
    """A result for each limit that the agent has to work around."""
    if limits.max_packet_bytes < COMFORTABLE_PACKET_BYTES:
        message = f"the MQTT broker accepts packets of at most {limits.max_packet_bytes} bytes"
        hint = f"raise its max_packet_size to {COMFORTABLE_PACKET_BYTES} or more"
        if limits.max_packet_bytes < MIN_PACKET_BYTES:
            yield error("limits", f"{message}, which observations exceed", hint)
        else:
            yield warning("limits", f"{message}: health reports may lack parts, and catching up takes longer", hint)
    if limits.qos == 0:
        hint = "allow QoS 1 on the broker (mosquitto: max_qos)"
        yield warning(
            "limits", "the MQTT broker accepts only QoS 0: what is lost on the network is sent again late", hint
        )
    if not limits.has_retained_messages:
        hint = "allow retained messages on the broker (mosquitto: retain_available)"
        message = "the MQTT broker keeps no retained messages: whoever connects later learns a device's state late"
        yield warning("limits", message, hint)


def _check_permissions(probe: Probe, topics: Topics, device: str) -> CheckResult:
    """Whether this account may write to its own topics only.

    It publishes an empty message, not retained, which mien ignores.
    """
    if probe.version != "5":
        hint = "use an MQTT broker that supports MQTT 5"
        return warning("permissions", "cannot be checked: MQTT 3.1.1 does not report them", hint)
    if probe.limits.qos == 0:
        hint = "allow QoS 1 on the broker (mosquitto: max_qos)"
        return warning("permissions", "cannot be checked: the MQTT broker accepts only QoS 0", hint)
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
    if problem := probe.limits.find_problem([acknowledgements, statuses]):
        return failed("collector", ConnectionRefused(f"the MQTT broker refuses {problem}"))
    start_s = time.monotonic()
    responses = probe.subscribe(acknowledgements, statuses)
    subscribed_s = time.monotonic()
    if not responses or not all(response.accepted for response in responses):
        hint = f"allow this account to read {acknowledgements} and {statuses}"
        return error("collector", "may not read a collector's acknowledgements", hint)
    if not probe.limits.has_retained_messages:
        hint = "allow retained messages on the broker (mosquitto: retain_available)"
        return warning("collector", "cannot be checked: the MQTT broker keeps no retained messages", hint)
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
