"""What an event costs the collector: python benchmarks/collector.py [--events N] [--memory] [--postgresql URL].

Every side subscribes to a mosquitto with the same client library, loop and MQTT 5, and gets equal events at the same
pace, QoS 1; counted is the processor time of its process. cpu_vs_naive: the collector of the tutorials (a callback that
inserts and commits each message, SQLite as it comes, which is with synchronous FULL) over ours; it gets a tenth of the
events.
cpu_vs_bare_paho: ours over a subscriber with an empty callback. memory_growth: ours at the end over ours after a
fifth; with --memory after each fifth, so that a backlog on a busy machine, which passes, is told from a leak. With an
empty PostgreSQL database cpu_postgresql_vs_bare_paho and, for two collectors together, cpu_two_collectors_vs_bare_paho.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from measure import memory_bytes, mosquitto, print_figures, processor_s
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from uuid6 import uuid7

from mien.observation import Observation, Scores, encode

DEVICES = 20
EVENTS_A_SECOND = 2000
SUBSCRIBER = """
import json, sqlite3, sys, threading
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
kind, port, path, wanted = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
done, count = threading.Event(), 0
database = sqlite3.connect(path, check_same_thread=False)
database.execute("CREATE TABLE event (device TEXT, at TEXT, emotion TEXT, confidence REAL, scores TEXT)")
def bare(client, data, message):
    global count
    count += 1
    if count == wanted:
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
sys.stdin.read()
"""
COLLECTOR = """
name = "{name}"
database = "{database}"
share = {share}
[mqtt]
port = {port}
"""


@dataclass(slots=True)
class Devices:
    """What all devices send, and how many of it collectors have acknowledged."""

    port: int
    acknowledged: int = 0
    _client: Client = field(init=False)
    _online: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.max_inflight_messages_set(0)
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", self.port)
        self._client.subscribe([("mien/+/ack", 1), ("mien/_collector/+/status", 1)])
        self._client.loop_start()

    def _take(self, _client: Client, _data: object, message: object) -> None:
        content = json.loads(message.payload)  # type: ignore[attr-defined]
        if "state" in content:
            self._online.set()
        else:
            self.acknowledged += sum(last - first + 1 for first, last in content["stored"])

    def wait_online(self) -> None:
        self._online.wait(60)

    def send(self, count: int) -> None:
        """Publish so many new events at the pace of this benchmark."""
        payloads = observations(count)
        begun_s = time.monotonic()
        for number, (topic, payload) in enumerate(payloads):
            if number % 20 == 0 and (ahead_s := number / EVENTS_A_SECOND - (time.monotonic() - begun_s)) > 0:
                time.sleep(ahead_s)
            self._client.publish(topic, payload, qos=1)


def observations(count: int) -> list[tuple[str, bytes]]:
    """Events of twenty devices, a new capture every thirty."""
    boxes, captures = [uuid4() for _ in range(DEVICES)], [UUID(int=uuid7().int) for _ in range(count // 30 + 1)]
    scores = Scores(angry=0.05, disgust=0.05, fear=0.05, happy=0.7, sad=0.05, surprise=0.05, neutral=0.05)
    return [
        (
            f"mien/device-{number % DEVICES}/observation",
            encode(
                Observation(
                    id=uuid7(),
                    device=f"device-{number % DEVICES}",
                    outbox=boxes[number % DEVICES],
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


def subscriber_us(kind: str, folder: Path, events: int) -> float:
    """Microseconds of processor time an event, of a subscriber without mien."""
    with mosquitto(folder) as port:
        command = [sys.executable, "-c", SUBSCRIBER, kind, str(port), str(folder / f"{kind}.db"), str(events)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            said = iter(process.stdout or ())
            next(said)  # ready
            before_s = processor_s(process.pid)
            Devices(port).send(events)
            next(said)  # done
            used_s = processor_s(process.pid) - before_s
            process.kill()
    return used_s / events * 1e6


def collector_us(folder: Path, events: int, database: str, collectors: int = 1) -> tuple[float, list[float]]:
    """Microseconds of processor time an event, of all collectors; their memory after each fifth over the first."""
    with mosquitto(folder) as port:
        processes = []
        for number in range(collectors):
            config = folder / f"{port}-{number}.toml"
            share = "true" if "://" in database else "false"
            config.write_text(COLLECTOR.format(name=f"c{number}", database=database, share=share, port=port))
            command = [sys.executable, "-m", "mien", "collect", "--config", str(config)]
            processes.append(subprocess.Popen(command, text=True, stderr=subprocess.DEVNULL))
        devices = Devices(port)
        devices.wait_online()
        time.sleep(2)
        before_s = sum(processor_s(process.pid) for process in processes)
        memory: list[int] = []

        def watch() -> None:
            for fifth in range(1, 6):
                wait_for(lambda: devices.acknowledged >= events * fifth / 5)  # noqa: B023 (called before the next)
                memory.append(sum(memory_bytes(process.pid) for process in processes))

        watcher = threading.Thread(target=watch)
        watcher.start()
        devices.send(events)
        wait_for(lambda: devices.acknowledged >= events)
        watcher.join()
        used_s = sum(processor_s(process.pid) for process in processes) - before_s
        for process in processes:
            process.terminate()
            process.wait()
    return used_s / events * 1e6, [later / memory[0] for later in memory[1:]]


def wait_for(happens: Callable[[], bool], longest_s: float = 3600.0) -> None:
    ends_s = time.monotonic() + longest_s
    while not happens():
        if time.monotonic() > ends_s:
            sys.exit("the events did not all come: look at the machine's load and try again")
        time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000, help="sent to each side")
    parser.add_argument("--memory", action="store_true", help="only memory_growth, only our side")
    parser.add_argument("--postgresql", help="URL of an empty database, for these sides too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.memory:
            _, growth = collector_us(folder, options.events, str(folder / "mien.db"))
            figures = {f"memory_growth_{fifth}": one for fifth, one in enumerate(growth, 2)}
            print_figures(f"{options.events} events", figures, as_json=options.json)
            return
        bare_us = subscriber_us("bare", folder, options.events)
        naive_us = subscriber_us("naive", folder, options.events // 10)
        ours_us, growth = collector_us(folder, options.events, str(folder / "mien.db"))
        figures = {
            "bare_paho_us": bare_us,
            "naive_us": naive_us,
            "collector_us": ours_us,
            "cpu_vs_naive": naive_us / ours_us,
            "cpu_vs_bare_paho": ours_us / bare_us,
            "memory_growth": growth[-1],
        }
        if options.postgresql:
            one_us, _ = collector_us(folder, options.events, options.postgresql)
            two_us, _ = collector_us(folder, options.events, options.postgresql, collectors=2)
            figures |= {
                "cpu_postgresql_vs_bare_paho": one_us / bare_us,
                "cpu_two_collectors_vs_bare_paho": two_us / bare_us,
            }
    print_figures(f"processor time an event, {EVENTS_A_SECOND} events a second", figures, as_json=options.json)


if __name__ == "__main__":
    main()
