"""What an observation costs the collector: python benchmarks/collector.py [--events N] [--memory] [--postgresql URL].

Each side subscribes to a mosquitto with the same client library, loop and MQTT 5, and receives equal observations at
the same rate at QoS 1; the CPU time of its process is measured.

cpu_vs_naive: the collector of many tutorials (a callback that inserts and commits each message, SQLite with its default
  synchronous FULL), relative to ours; it receives a tenth of the observations.
cpu_vs_bare_paho: ours relative to a subscriber with an empty callback.
memory_growth: the memory of ours at the end, relative to after a fifth; with --memory after each fifth, to tell a
  temporary backlog on a busy machine from a leak.
With an empty PostgreSQL database: cpu_postgresql_vs_bare_paho and, for two collectors together,
  cpu_two_collectors_vs_bare_paho.
"""

import json
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

from measure import (
    START_TIMEOUT_S,
    ChildProcess,
    Metrics,
    benchmark_parser,
    cpu_time_s,
    print_metrics,
    resident_bytes,
    running_mosquitto,
    wait_until,
)
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from uuid6 import uuid7

from mien.messages.observation import Observation, Scores, encode_observation

DEVICES = 20
EVENTS_PER_S = 2000
STALL_TIMEOUT_S = 120.0
"""Without any progress for this long, the benchmark fails."""
SETTLE_S = 2.0
SUBSCRIBER = """
import json, signal, sqlite3, sys, threading
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
kind, port, path, expected = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
done, count = threading.Event(), 0
database = sqlite3.connect(path, check_same_thread=False)
database.execute("CREATE TABLE event (device TEXT, at TEXT, emotion TEXT, confidence REAL, scores TEXT)")
def bare(client, data, message):
    global count
    count += 1
    if count == expected:
        done.set()
def naive(client, data, message):
    event = json.loads(message.payload)
    database.execute(
        "INSERT INTO event VALUES (?, ?, ?, ?, ?)",
        (event["device"], event["at"], event["emotion"], event["confidence"], json.dumps(event["scores"])),
    )
    database.commit()
    bare(client, data, message)
client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
client.on_message = {"bare": bare, "naive": naive}[kind]
client.on_subscribe = lambda *_: print("ready", flush=True)
client.connect("127.0.0.1", port)
client.subscribe("mien/+/observation", 1)
client.loop_start()
done.wait()
print("done", flush=True)
signal.pause()
"""
COLLECTOR_CONFIG = """
name = "{name}"
database = "{database}"
shared_subscription = {shared_subscription}
[mqtt]
port = {port}
"""


class SimulatedDevices:
    """One client that sends the observations of all devices and counts acknowledgements; use as a context manager."""

    def __init__(self, port: int) -> None:
        self.acknowledged = 0
        self.online_collectors: set[str] = set()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.max_inflight_messages_set(0)
        self._client.on_message = self._handle_message
        self._client.connect("127.0.0.1", port)
        self._client.subscribe([("mien/+/ack", 1), ("mien/_collector/+/status", 1)])
        self._client.loop_start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def start_sending(self, count: int) -> None:
        """Publish new observations at the rate of this benchmark, in a thread."""
        threading.Thread(target=self._send, args=[count], daemon=True).start()

    def wait_for_acknowledgements(self, count: int, collectors: Sequence[ChildProcess]) -> None:
        """ChildFailed as soon as a collector exits, or if acknowledgements stop arriving."""
        while (acknowledged := self.acknowledged) < count:
            wait_until(
                lambda before=acknowledged: self.acknowledged > before,  # type: ignore[misc]
                collectors,
                timeout_s=STALL_TIMEOUT_S,
                awaited=f"acknowledgements, after {acknowledged} of {count}",
            )

    def _send(self, count: int) -> None:
        messages = make_messages(count)
        start_s = time.monotonic()
        for number, (topic, payload) in enumerate(messages):
            if number % 20 == 0 and (ahead_s := number / EVENTS_PER_S - (time.monotonic() - start_s)) > 0:
                time.sleep(ahead_s)
            self._client.publish(topic, payload, qos=1)

    def _handle_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        content = json.loads(message.payload)
        if content.get("state") == "online":
            self.online_collectors.add(message.topic)
        elif "stored" in content:
            self.acknowledged += sum(last - first + 1 for first, last in content["stored"])


def make_messages(count: int) -> list[tuple[str, bytes]]:
    """Topics and payloads of twenty devices, with a new capture every thirty observations."""
    outboxes = [uuid4() for _ in range(DEVICES)]
    captures = [UUID(int=uuid7().int) for _ in range(count // 30 + 1)]
    scores = Scores(angry=0.05, disgust=0.05, fear=0.05, happy=0.7, sad=0.05, surprise=0.05, neutral=0.05)
    return [
        (
            f"mien/device-{number % DEVICES}/observation",
            encode_observation(
                Observation(
                    id=uuid7(),
                    device=f"device-{number % DEVICES}",
                    outbox=outboxes[number % DEVICES],
                    seq=number // DEVICES + 1,
                    capture=captures[number // 30],
                    track=1,
                    at=datetime.now(UTC),
                    clock="synced",
                    emotion="happy",
                    confidence=0.7,
                    scores=scores,
                    frames=9,
                    box=(0.25, 0.25, 0.5, 0.5),
                    model="0123456789ab",
                    latency_ms=40,
                    agent="0.1.0",
                )
            ),
        )
        for number in range(count)
    ]


def measure_subscriber_us(kind: str, folder: Path, events: int) -> float:
    """Microseconds of CPU time per observation of a subscriber without mien: bare or naive."""
    with running_mosquitto(folder) as port:
        command = [sys.executable, "-c", SUBSCRIBER, kind, str(port), str(folder / f"{kind}.db"), str(events)]
        with ChildProcess(f"the {kind} subscriber", command) as subscriber, SimulatedDevices(port) as devices:
            subscriber.wait_for_line("ready")
            start_s = cpu_time_s(subscriber.pid)
            devices.start_sending(events)
            subscriber.wait_for_line("done", timeout_s=STALL_TIMEOUT_S + 100 * events / EVENTS_PER_S)
            used_s = cpu_time_s(subscriber.pid) - start_s
    return used_s / events * 1e6


def measure_collector_us(
    folder: Path, events: int, database: str, collector_count: int = 1
) -> tuple[float, list[float]]:
    """Microseconds of CPU time per observation of all collectors; their memory after each fifth over the first."""
    with running_mosquitto(folder) as port, ExitStack() as stack:
        devices = stack.enter_context(SimulatedDevices(port))
        collectors = []
        for number in range(collector_count):
            config = folder / f"{port}-{number}.toml"
            shared_subscription = "true" if "://" in database else "false"
            config.write_text(
                COLLECTOR_CONFIG.format(
                    name=f"c{number}", database=database, shared_subscription=shared_subscription, port=port
                )
            )
            command = [sys.executable, "-m", "mien", "collect", "--config", str(config)]
            collectors.append(stack.enter_context(ChildProcess("`mien collect`", command)))
        wait_until(
            lambda: len(devices.online_collectors) == collector_count,
            collectors,
            timeout_s=START_TIMEOUT_S,
            awaited="the collector to be online",
        )
        time.sleep(SETTLE_S)
        start_s = sum(cpu_time_s(collector.pid) for collector in collectors)
        devices.start_sending(events)
        memory_bytes = []
        for fifth in range(1, 6):
            devices.wait_for_acknowledgements(events * fifth // 5, collectors)
            memory_bytes.append(sum(resident_bytes(collector.pid) for collector in collectors))
        used_s = sum(cpu_time_s(collector.pid) for collector in collectors) - start_s
    return used_s / events * 1e6, [later / memory_bytes[0] for later in memory_bytes[1:]]


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--events", type=int, default=20_000, help="observations sent to each side")
    parser.add_argument("--memory", action="store_true", help="only memory_growth, only our side")
    parser.add_argument("--postgresql", metavar="URL", help="an empty database, for these sides too")
    options = parser.parse_args()
    metrics: Metrics
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        collector_us, growth = measure_collector_us(folder, options.events, str(folder / "mien.db"))
        if options.memory:
            metrics = {f"memory_growth_{fifth}": ratio for fifth, ratio in enumerate(growth, 2)}
            print_metrics(f"{options.events} observations", metrics, as_json=options.json)
            return
        bare_us = measure_subscriber_us("bare", folder, options.events)
        naive_us = measure_subscriber_us("naive", folder, max(1, options.events // 10))
        metrics = {
            "bare_paho_us": bare_us,
            "naive_us": naive_us,
            "collector_us": collector_us,
            "cpu_vs_naive": naive_us / collector_us,
            "cpu_vs_bare_paho": collector_us / bare_us,
            "memory_growth": growth[-1],
        }
        if options.postgresql:
            one_us, _ = measure_collector_us(folder, options.events, options.postgresql)
            two_us, _ = measure_collector_us(folder, options.events, options.postgresql, collector_count=2)
            metrics |= {
                "cpu_postgresql_vs_bare_paho": one_us / bare_us,
                "cpu_two_collectors_vs_bare_paho": two_us / bare_us,
            }
    title = f"CPU time per observation, at {EVENTS_PER_S} observations per second"
    print_metrics(title, metrics, as_json=options.json)


if __name__ == "__main__":
    main()
