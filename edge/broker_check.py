"""Looks at the MQTT broker as the agent would meet it: encryption, account, permissions, and a collector behind it."""

import queue
import ssl
import time
from collections.abc import Iterator
from typing import Any

import msgspec
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from mien.diagnosis import Diagnosis, error, failed, ok, warning
from mien.errors import ConnectionRefused, MienError
from mien.mqtt import Mqtt
from mien.status import CollectorStatus, decode_collector_status
from mien.topics import Topics

ANSWER_S = 5.0
COLLECTORS_S = 2.0
"""Retained messages come at once after the subscription, or not at all."""
VERSIONS = {MQTTProtocolVersion.MQTTv5: "5", MQTTProtocolVersion.MQTTv311: "3.1.1"}


def broker_check(settings: Mqtt, device: str) -> Iterator[Diagnosis]:
    """Connects once, under a name of its own, so that a running agent is not disturbed."""
    host, port = settings.address
    try:
        with _Probe(settings, device) as probe:
            told = f"{host}:{port}, MQTT {VERSIONS[probe.version]}"
            if settings.encrypted:
                yield ok("broker", f"{told}, {probe.cipher}")
            elif settings.local:
                yield ok("broker", f"{told}, not encrypted, on this machine")
            else:
                cure = "remove mqtt.tls = false: who listens on the way sees every observation and the password"
                yield warning("broker", f"{told}, not encrypted", cure)
            yield from probe.permissions()
            yield from probe.collectors()
    except ssl.SSLError as problem:
        cure = "check mqtt.ca_file, and that the certificate names this host"
        yield error("broker", f"{host}:{port} is not trusted ({problem.reason or problem})", cure)
    except OSError as problem:
        yield error("broker", f"no broker at {host}:{port} ({problem})", "check mqtt.host, mqtt.port and the network")
    except MienError as problem:
        yield failed("broker", problem)


class _Probe:
    """One connection; use as a context manager. ConnectionRefused, OSError if there is none."""

    def __init__(self, settings: Mqtt, device: str) -> None:
        self._settings = settings
        self._device = device
        self._topics = Topics(settings.root)
        self._events: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._client: Client
        self.version: MQTTProtocolVersion
        self.cipher = ""

    def __enter__(self) -> "_Probe":
        wanted = {"auto": [5, 4], "5": [5], "3.1.1": [4]}[self._settings.protocol]
        for version in map(MQTTProtocolVersion, wanted):
            if self._connect(version):
                return self
        raise ConnectionRefused(self._settings.silence())

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def permissions(self) -> Iterator[Diagnosis]:
        """May it write its own topics, and no other device's? An empty message, not retained, means nothing to mien."""
        if self.version is not MQTTProtocolVersion.MQTTv5:
            yield warning("permissions", "cannot be checked: MQTT 3.1.1 does not tell", "use a broker with MQTT 5")
            return
        own = self._publish(self._topics.device_motion(self._device))
        if own is None or own.is_failure:
            cure = "let this account write its own topics (README, architecture)"
            yield error("permissions", f"may not write its own topics ({own or 'no answer'})", cure)
            return
        others = self._publish(self._topics.device_motion(f"{self._device}-doctor"))
        if others is not None and others.is_failure:
            yield ok("permissions", "writes its own topics and no other device's")
        else:
            cure = "give each device an account of its own, for its own topics only"
            yield warning("permissions", "this account may write other devices' topics, too", cure)

    def collectors(self) -> Iterator[Diagnosis]:
        """Is anybody there to store what is sent?"""
        answers = self._topics.acknowledgement(self._device)
        self._client.subscribe([(answers, 1), (self._topics.collector_status("+"), 1)])
        granted: list[ReasonCode] = self._next("subscribed", ANSWER_S) or []
        if not granted or any(reason.is_failure for reason in granted):
            cure = f"let this account read {answers} and {self._topics.collector_status('+')}"
            yield error("collector", "may not read a collector's answers", cure)
            return
        found: dict[str, CollectorStatus] = {}
        ends_s = time.monotonic() + COLLECTORS_S
        while (message := self._next("message", ends_s - time.monotonic())) is not None:
            try:
                found[self._topics.collector_of(message.topic)] = decode_collector_status(message.payload)
            except msgspec.DecodeError:
                continue
            if found[self._topics.collector_of(message.topic)].state == "online":
                break
        states = ", ".join(f"{name} is {status.state}" for name, status in sorted(found.items()))
        if any(status.state == "online" for status in found.values()):
            yield ok("collector", states)
        else:
            cure = "start `mien collect`; until then observations wait in the outbox"
            yield warning("collector", states or "none has ever been online", cure)

    def _connect(self, version: MQTTProtocolVersion) -> bool:
        """False if the broker does not speak this version."""
        five = version is MQTTProtocolVersion.MQTTv5
        client = Client(
            CallbackAPIVersion.VERSION2,
            f"mien-{self._device}-doctor",
            clean_session=None if five else True,
            protocol=version,
            reconnect_on_failure=False,
        )
        if self._settings.username is not None:
            client.username_pw_set(self._settings.username, self._settings.password())
        if (context := self._settings.tls_context()) is not None:
            client.tls_set_context(context)
        client.connect_timeout = ANSWER_S
        # paho calls these in its own thread: they only pass on.
        client.on_connect = lambda _c, _d, _f, reason, _p: self._events.put(("connected", reason))
        client.on_subscribe = lambda _c, _d, _m, reasons, _p: self._events.put(("subscribed", reasons))
        client.on_publish = lambda _c, _d, _m, reason, _p: self._events.put(("published", reason))
        client.on_message = lambda _c, _d, message: self._events.put(("message", message))
        client.connect(*self._settings.address, self._settings.keepalive_s)
        if isinstance(socket := client.socket(), ssl.SSLSocket):
            self.cipher = str(socket.version())
        client.loop_start()
        reason: ReasonCode | None = self._next("connected", ANSWER_S)
        if reason is None or reason.is_failure:
            client.disconnect()
            client.loop_stop()
            if reason is None or "protocol version" in str(reason).lower():
                return False
            raise ConnectionRefused(self._settings.refusal(str(reason)))
        self._client, self.version = client, version
        return True

    def _publish(self, topic: str) -> ReasonCode | None:
        self._client.publish(topic, b"", qos=1, retain=False)
        reason: ReasonCode | None = self._next("published", ANSWER_S)
        return reason

    def _next(self, kind: str, timeout_s: float) -> Any:
        """What comes with the next event of a kind; None if none comes in time. Others are passed over."""
        ends_s = time.monotonic() + timeout_s
        while True:
            try:
                event, value = self._events.get(timeout=max(0.0, ends_s - time.monotonic()))
            except queue.Empty:
                return None
            if event == kind:
                return value
