"""What an observation costs the collector: python benchmarks/collector.py [--events N] [--memory] [--postgresql URL]
[--sharing].

Each side subscribes to a mosquitto with the same client library, loop and MQTT 5, and receives equal observations at
the same rate at QoS 1; the CPU time of its process is measured.

Rows differ as real ones do: other scores, boxes and times in each, new captures, one face after another (drafts.py).

cpu_vs_naive: the collector of many tutorials (a callback that inserts and commits each message, SQLite with its default
  synchronous FULL), relative to ours; it receives a tenth of the observations.
cpu_vs_bare_paho: ours relative to a subscriber with an empty callback.
backlog_cpu_vs_naive: the same naive collector relative to ours while the outboxes of twenty real publishers, with as
  many observations in total, catch up in batches.
bytes_vs_single: the payloads that this takes, resent ones included, relative to one message for each observation.
memory_growth: the memory of ours at the end, relative to after a fifth; with --memory after each fifth, to tell a
  temporary backlog on a busy machine from a leak.
With an empty PostgreSQL database: cpu_postgresql_vs_bare_paho and, for two collectors together,
  cpu_two_collectors_vs_bare_paho.
With --sharing, which takes a minute and needs a superuser's URL, only this: collectors that decode and commit rows of
  any of a thousand devices as fast as they can, without MQTT, while PostgreSQL takes 20 ms for a commit (commit_delay):
two_collectors_speedup: rows a second of two, relative to one.
four_collectors_lock_waits: how much of the time in transactions four wait for locks.
deadlocks, problems: what PostgreSQL has counted, and what `mien db check` finds, at the end.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from parts.catching_up import CatchingUpDevices
from parts.measure import (
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
from parts.shared_log import SharedLog
from parts.simulated_devices import DEVICES, EVENTS_PER_S, STALL_TIMEOUT_S, SimulatedDevices

SETTLE_S = 2.0
MEMORY_FOLDER = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
"""For the devices' outboxes: filling them does not wait for a disk there."""
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
{sharing}
[mqtt]
port = {port}
"""
SHARING = """
shared_subscription = true
shared_group = "collectors-of-one-log"
"""


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


@contextmanager
def running_collectors(
    folder: Path, port: int, database: str, count: int = 1
) -> Iterator[tuple[SimulatedDevices, list[ChildProcess]]]:
    """Collectors that are online, while the block runs, and a client that speaks for the devices."""
    with ExitStack() as stack:
        devices = stack.enter_context(SimulatedDevices(port))
        collectors = []
        for number in range(count):
            config = folder / f"{port}-{number}.toml"
            sharing = SHARING if "://" in database else ""
            config.write_text(COLLECTOR_CONFIG.format(name=f"c{number}", database=database, sharing=sharing, port=port))
            command = [sys.executable, "-m", "mien", "collect", "--config", str(config)]
            collectors.append(stack.enter_context(ChildProcess("`mien collect`", command)))
        wait_until(
            lambda: len(devices.online_collectors) == count,
            collectors,
            timeout_s=START_TIMEOUT_S,
            awaited="the collector to be online",
        )
        time.sleep(SETTLE_S)
        yield devices, collectors


def measure_collector_us(
    folder: Path, events: int, database: str, collector_count: int = 1
) -> tuple[float, list[float]]:
    """Microseconds of CPU time per observation of all collectors; their memory after each fifth over the first."""
    with (
        running_mosquitto(folder) as port,
        running_collectors(folder, port, database, collector_count) as (devices, collectors),
    ):
        start_s = sum(cpu_time_s(collector.pid) for collector in collectors)
        devices.start_sending(events)
        memory_bytes = []
        for fifth in range(1, 6):
            devices.wait_for_acknowledgements(events * fifth // 5, collectors)
            memory_bytes.append(sum(resident_bytes(collector.pid) for collector in collectors))
        used_s = sum(cpu_time_s(collector.pid) for collector in collectors) - start_s
    return used_s / events * 1e6, [later / memory_bytes[0] for later in memory_bytes[1:]]


def measure_backlog(folder: Path, events: int) -> tuple[float, float]:
    """Microseconds of CPU time per observation of a collector while devices catch up; `bytes_vs_single`."""
    with (
        tempfile.TemporaryDirectory(dir=MEMORY_FOLDER) as outboxes,
        CatchingUpDevices(Path(outboxes), devices=DEVICES, rows=events) as backlog,
        running_mosquitto(folder) as port,
        running_collectors(folder, port, str(folder / "backlog.db")) as (_, collectors),
    ):
        start_s = cpu_time_s(collectors[0].pid)
        payload_bytes = backlog.catch_up(port, collectors)
        used_s = cpu_time_s(collectors[0].pid) - start_s
    return used_s / events * 1e6, payload_bytes / backlog.single_bytes


def measure_sharing(url: str, seconds: float) -> Metrics:
    """What several collectors gain, and wait for, on one database."""
    log = SharedLog(url)
    one, _ = log.run(1, seconds)
    two, _ = log.run(2, seconds)
    four, waits = log.run(4, seconds)
    return {
        "one_collector_rows_per_s": one,
        "two_collectors_rows_per_s": two,
        "four_collectors_rows_per_s": four,
        "two_collectors_speedup": two / one,
        "four_collectors_lock_waits": waits,
        "deadlocks": float(log.deadlocks()),
        "problems": log.problems() or "none",
    }


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--events", type=int, default=20_000, help="observations sent to each side")
    parser.add_argument("--memory", action="store_true", help="only memory_growth, only our side")
    parser.add_argument("--postgresql", metavar="URL", help="an empty database, for these sides too")
    parser.add_argument("--sharing", action="store_true", help="only several collectors on that database")
    parser.add_argument("--seconds", type=float, default=10.0, help="with --sharing: for each number of collectors")
    options = parser.parse_args()
    metrics: Metrics
    if options.sharing and options.postgresql:
        print_metrics("side by side", measure_sharing(options.postgresql, options.seconds), as_json=options.json)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        collector_us, growth = measure_collector_us(folder, options.events, str(folder / "mien.db"))
        if options.memory:
            metrics = {f"memory_growth_{fifth}": ratio for fifth, ratio in enumerate(growth, 2)}
            print_metrics(f"{options.events} observations", metrics, as_json=options.json)
            return
        bare_us = measure_subscriber_us("bare", folder, options.events)
        naive_us = measure_subscriber_us("naive", folder, max(1, options.events // 10))
        backlog_us, bytes_ratio = measure_backlog(folder, options.events)
        metrics = {
            "bare_paho_us": bare_us,
            "naive_us": naive_us,
            "collector_us": collector_us,
            "cpu_vs_naive": naive_us / collector_us,
            "cpu_vs_bare_paho": collector_us / bare_us,
            "backlog_us": backlog_us,
            "backlog_cpu_vs_naive": naive_us / backlog_us,
            "bytes_vs_single": bytes_ratio,
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
