"""How long rows wait beside a device that floods: python benchmarks/fairness.py [--seconds N] [--json].

One connection floods a real mosquitto while twenty other devices send one observation a second each, and send it again
after 15 s without an acknowledgement, then after twice as long each time. Measured is the time from the first sending
to the acknowledgement.

others_p99_s: the 99th percentile; infinite if that many were not acknowledged before the flood ended: where the flood
  is faster than the collector reads, mosquitto discards rows of all devices, and they have to be sent again.
others_lost: how many were not acknowledged after the flood either.
resends: how many of the others' observations had to be sent again.
flooder_named: 1 if the collector's log and its metric name the device whose rows were discarded.
Each with the suffix of its flood: `4000` (rows a second), `max` (as fast as mosquitto takes them), and with --all
  `default` (the same, mosquitto with its own defaults), `qos0`, `batches`, and `bombs` (batches that cannot be opened).
"""

import json
import math
import random
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.request import urlopen
from uuid import uuid4

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from parts.drafts import make_drafts
from parts.measure import (
    ChildProcess,
    Metrics,
    benchmark_parser,
    cpu_time_s,
    free_port,
    print_metrics,
    running_mosquitto,
    wait_until,
)

from mien.messages.observation import encode_observation

DEVICES = 20
PERIOD_S = 1.0
FIRST_RESEND_S = 15.0
MAX_RESEND_S = 120.0
LAST_ROWS_S = 35.0
"""The flood goes on for this long after the others' last row."""
CALM_S = 60.0
"""How long the others may send again after the flood."""
SERVER_LINES = ("max_queued_messages 24000", "max_packet_size 5000", "max_queued_bytes 8388608")
"""As `mien server init` configures mosquitto."""
FLOODER = """
import socket, struct, sys, threading, time, zlib
port, rate, kind, template = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4].encode()
connection = socket.create_connection(("127.0.0.1", port))
connect = b"\\x00\\x04MQTT\\x04\\x02\\x00\\x00\\x00\\x07flooder"
connection.sendall(b"\\x10" + bytes([len(connect)]) + connect)
assert connection.recv(4)[0] == 0x20
def drain():
    while connection.recv(65536):
        pass
threading.Thread(target=drain, daemon=True).start()
def row(number):
    return template.replace(b"@ID", b"%032x" % (base + number)).replace(b"9007199254740991", b"%d" % (number + 1))
def batch(rows):
    return zlib.compress(b'{"schema":1,"kind":"batch","messages":[' + b",".join(rows) + b"]}")
def packet(payload, message_id):
    content = struct.pack("!H", len(topic)) + topic + (struct.pack("!H", message_id) if quality else b"") + payload
    length, digits = len(content), bytearray()
    while length > 127:
        digits.append(length & 127 | 128)
        length >>= 7
    return bytes([0x30 | quality << 1]) + bytes(digits) + bytes([length]) + content
topic, quality, base = b"mien/flooder/observation", kind != "qos0", int(time.time() * 1000) << 80 | 7 << 76 | 2 << 62
fixed = {"batches": batch([row(n) for n in range(100)]), "bombs": zlib.compress(bytes(1000000))}.get(kind)
print("ready", flush=True)
start, sent = time.monotonic(), 0
while True:
    due = int((time.monotonic() - start) * rate) - sent if rate else 400
    if due <= 0:
        time.sleep(0.005)
        continue
    numbers = range(sent, sent + min(due, 400))
    connection.sendall(b"".join(packet(fixed or row(number), number % 65535 + 1) for number in numbers))
    sent = numbers.stop
"""


class Others:
    """Twenty devices that send, wait for acknowledgements and send again; use as a context manager."""

    def __init__(self, port: int) -> None:
        self.is_collector_online = False
        self.waits_s: list[float] = []
        self.resends = 0
        self._unacknowledged: dict[tuple[str, int], tuple[float, str, bytes]] = {}
        self._due: list[tuple[float, float, tuple[str, int]]] = []
        self._lock = threading.Lock()
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

    @property
    def unacknowledged(self) -> int:
        return len(self._unacknowledged)

    def send(self, duration_s: float) -> None:
        """Send at a steady rate for a while, then only again what is not acknowledged, for LAST_ROWS_S."""
        devices = [f"device-{number}" for number in range(DEVICES)]
        rows = {device: make_drafts(device, math.ceil(duration_s) + 1, random.Random(device)) for device in devices}
        outboxes = {device: uuid4() for device in devices}
        start_s, number = time.monotonic(), 0
        while (passed_s := time.monotonic() - start_s) < duration_s + LAST_ROWS_S:
            if passed_s < duration_s and passed_s >= number * PERIOD_S / DEVICES:
                device, seq = devices[number % DEVICES], number // DEVICES + 1
                row = next(rows[device]).to_observation(outbox=outboxes[device], seq=seq)
                with self._lock:
                    now_s = time.monotonic()
                    topic, payload = f"mien/{device}/observation", encode_observation(row)
                    self._unacknowledged[device, seq] = (now_s, topic, payload)
                self._due.append((now_s + FIRST_RESEND_S, FIRST_RESEND_S, (device, seq)))
                self._client.publish(topic, payload, qos=1)
                number += 1
            else:
                self._send_again()
                if passed_s >= duration_s and not self._unacknowledged:
                    return
                time.sleep(0.01)

    def send_rest(self) -> None:
        """After the flood: send again whatever is not acknowledged, every second, for CALM_S at most."""
        end_s = time.monotonic() + CALM_S
        while self._unacknowledged and time.monotonic() < end_s:
            with self._lock:
                waiting = list(self._unacknowledged.values())
            for _, topic, payload in waiting:
                self._client.publish(topic, payload, qos=1)
            time.sleep(1.0)

    def _send_again(self) -> None:
        now_s = time.monotonic()
        for entry in [entry for entry in self._due if entry[0] <= now_s]:
            self._due.remove(entry)
            _, delay_s, key = entry
            if (waiting := self._unacknowledged.get(key)) is not None:
                self.resends += 1
                delay_s = min(MAX_RESEND_S, 2 * delay_s)
                self._due.append((now_s + delay_s, delay_s, key))
                self._client.publish(waiting[1], waiting[2], qos=1)

    def _handle_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        content = json.loads(message.payload)
        self.is_collector_online |= content.get("state") == "online"
        device, now_s = message.topic.split("/")[1], time.monotonic()
        if device == "flooder":
            return
        with self._lock:
            for first, last in content.get("stored", ()):
                for seq in range(first, last + 1):
                    if (waiting := self._unacknowledged.pop((device, seq), None)) is not None:
                        self.waits_s.append(now_s - waiting[0])


def measure_flood(rate: float, kind: str, seconds: float, lines: Sequence[str], *, postgresql: str | None) -> Metrics:
    """Flood for a while; without a rate, as fast as possible."""
    with tempfile.TemporaryDirectory() as name, running_mosquitto(Path(name), *lines) as port:
        config = Path(name, "collector.toml")
        database = postgresql or f"{name}/mien.db"
        metrics_port = free_port()
        config.write_text(f'database = "{database}"\nmetrics_port = {metrics_port}\n[mqtt]\nport = {port}\n')
        command = [sys.executable, "-m", "mien", "collect", "--config", str(config)]
        (draft,) = make_drafts("flooder", 1, random.Random(0))
        row = encode_observation(draft.to_observation(outbox=uuid4(), seq=2**53 - 1)).decode()
        template = row.replace(json.loads(row)["id"], "@ID")
        flood = [sys.executable, "-c", FLOODER, str(port), str(rate), kind, template]
        with ChildProcess("the collector", command) as collector, Others(port) as others:
            wait_until(lambda: others.is_collector_online, [collector], timeout_s=60, awaited="the collector")
            with ChildProcess("the flooder", flood) as flooder:
                flooder.wait_for_line("ready")
                used_s, start_s = cpu_time_s(collector.pid), time.monotonic()
                others.send(seconds)
                used_s, passed_s = cpu_time_s(collector.pid) - used_s, time.monotonic() - start_s
                flooder.check()
            waits_s = sorted([*others.waits_s, *[math.inf] * others.unacknowledged])
            others.send_rest()
            with urlopen(f"http://127.0.0.1:{metrics_port}/metrics") as response:
                lines = response.read().decode().splitlines()
            values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
            discarded = float(values.get('mien_discarded_rows_total{device="flooder"}', 0))
            stored = float(values["mien_stored_total"])
            is_named = any("discarded rows of flooder" in line for line in collector.lines())
            peak = Path(f"/proc/{collector.pid}/status").read_text().split("VmHWM:")[1].split()[0]
    return {
        "others_p50_s": waits_s[len(waits_s) // 2],
        "others_p99_s": waits_s[len(waits_s) * 99 // 100],
        "others_max_s": waits_s[-1],
        "others": len(waits_s),
        "others_lost": others.unacknowledged,
        "resends": others.resends,
        "flooder_named": float(is_named and discarded > 0),
        "rows_stored_per_s": stored / passed_s,
        "rows_discarded_per_s": discarded / passed_s,
        "collector_cpu": used_s / passed_s,
        "collector_peak_mb": float(peak) / 1024,
    }


FLOODS: dict[str, tuple[float, str, Sequence[str]]] = {
    "4000": (4000, "rows", SERVER_LINES),
    "max": (0, "rows", SERVER_LINES),
    "default": (0, "rows", ("max_inflight_messages 20",)),
    "qos0": (0, "qos0", SERVER_LINES),
    "batches": (0, "batches", SERVER_LINES),
    "bombs": (0, "bombs", SERVER_LINES),
}


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each flood")
    parser.add_argument("--all", action="store_true", help="all kinds of floods")
    parser.add_argument("--only", choices=FLOODS, help="only this one")
    parser.add_argument("--postgresql", metavar="URL", help="an empty database, in place of SQLite")
    options = parser.parse_args()
    names = [options.only] if options.only else list(FLOODS) if options.all else ["4000", "max"]
    metrics: Metrics = {}
    for name in names:
        rate, kind, lines = FLOODS[name]
        measured = measure_flood(rate, kind, options.seconds, lines, postgresql=options.postgresql)
        metrics |= {f"{metric}_{name}": value for metric, value in measured.items()}
    print_metrics("Beside a device that floods", metrics, as_json=options.json)


if __name__ == "__main__":
    main()
