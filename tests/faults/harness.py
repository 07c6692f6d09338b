"""Kills everything at random moments, then accounts for every observation: python harness.py KILLS SEED [options].

Two complete agents with simulated motion, and a fleet of real outbox and publisher processes, send through a TCP proxy
and a real mosquitto to real collectors. Agents, senders, broker (sometimes with its persistence file deleted) and
collectors are killed with kill -9, the network is cut, and disks are full for a while. Each start of the broker sets
another limit on packets, devices are renamed, and some of their past is erased. Prints one last line:
kills=… in_flight=… batches=… batched=… erasures=… renames=… sent=… stored=… rejected=… erased=… dropped=… waiting=…
lost=… doubled=…
in_flight counts the kills at whose moment an outbox contained unacknowledged rows, batched the rows in the batches.
"""

import argparse
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from erasures import Erasures
from fault_plan import AGENT_CONFIG, COLLECTOR_CONFIG, SHARING, FaultCounts, FaultPlan
from journal import DeliveryReport, account_for, count_waiting, create_outbox
from mosquitto import configure_mosquitto
from postgresql import running_postgresql
from processes import FOLDER, KillableProcess, terminate
from proxy import Proxy
from traffic import Traffic

MIEN = [sys.executable, "-m", "mien"]
MAX_ROUNDS_WITHOUT_PROGRESS = 10
"""Rounds without fewer waiting rows after which the harness gives up on them."""
FAULT_PROBABILITY = 0.15
"""Of a network cut, and of a full disk, after each kill."""
ERASURE_PROBABILITY = 0.3
"""Of the start of one, and of the kill of one that is running, after each kill."""
RENAME_PROBABILITY = 0.1
"""Of a new name, when a sender starts again."""
PACKET_LIMITS_BYTES = (0, 0, 2048, 1024)
"""From which each start of the broker takes one; 0: none. An observation fits into the smallest."""


class FaultHarness:
    """All processes of one run."""

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)
        self._broker = configure_mosquitto(
            plan.folder,
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {plan.folder}/",
            "autosave_interval 1",
            "max_queued_messages 100000",
        )
        self._broker_config = self._broker.config.read_text()
        self.log = plan.shared_log or str(plan.folder / "mien.db")
        self.outboxes: list[Path] = []
        self.counts = FaultCounts()
        self._erasures = Erasures(self.log, plan.folder, self._random)

    def run(self) -> DeliveryReport:
        """Start everything, inject faults, let the rows drain, and account for them."""
        self._broker.start()
        with (
            Proxy(self._broker.port) as device_proxy,
            Proxy(self._broker.port) as collector_proxy,
            Traffic(self._broker.port) as traffic,
        ):
            collectors = self._create_collectors(collector_proxy.port)
            devices = self._create_devices(device_proxy.port)
            for process in [*collectors, *devices]:
                process.start()
            self._wait_until(lambda: self._count_waiting() > 0, timeout_s=60)
            try:
                self._inject_faults(devices, collectors, [device_proxy, collector_proxy])
                terminate(devices)
                self._drain(devices, collectors)
                self._erasures.finish()
            finally:
                terminate([*devices, *collectors])
                self._broker.kill()
            self.counts.batches, self.counts.batched = traffic.batches, traffic.batched_messages
        self.counts.erasures = self._erasures.count
        return account_for(self.outboxes, self.log)

    def _create_collectors(self, port: int) -> list[KillableProcess]:
        folder = self._plan.folder
        if self._plan.careless == "collector":
            command = [sys.executable, str(FOLDER / "careless_collector.py"), self.log, str(port)]
            return [KillableProcess(command, folder / "collector.log")]
        sharing = SHARING if self._plan.shared_log else ""
        processes = []
        for name in ["one", "two"] if self._plan.shared_log else ["one"]:
            config = folder / f"{name}.toml"
            config.write_text(COLLECTOR_CONFIG.format(name=name, database=self.log, sharing=sharing, port=port))
            processes.append(KillableProcess([*MIEN, "collect", "--config", str(config)], folder / f"{name}.log"))
        return processes

    def _create_devices(self, port: int) -> list[KillableProcess]:
        folder = self._plan.folder
        processes = []
        for number in range(self._plan.agents):
            device = f"agent-{number}"
            outbox, config = self._create_outbox(device), folder / f"{device}.toml"
            config.write_text(AGENT_CONFIG.format(device=device, outbox=outbox, port=port))
            command = [*MIEN, "agent", "--config", str(config)]
            processes.append(KillableProcess(command, folder / f"{device}.log", outbox, device))
        for number in range(self._plan.senders):
            device = f"sender-{number}"
            outbox = self._create_outbox(device)
            # The first outbox is full as soon as no collector acknowledges for a second or two.
            rate, max_rows = (4 * self._plan.rows_per_s, 100) if number == 0 else (self._plan.rows_per_s, 100_000)
            command = [
                sys.executable,
                str(FOLDER / "sender.py"),
                device,
                str(outbox),
                str(port),
                str(rate),
                str(max_rows),
            ]
            command += ["careless"] if self._plan.careless == "sender" else []
            processes.append(KillableProcess(command, folder / f"{device}.log", outbox, device))
        return processes

    def _create_outbox(self, device: str) -> Path:
        path = self._plan.folder / f"{device}.db"
        create_outbox(path, device)
        self.outboxes.append(path)
        return path

    def _inject_faults(
        self, devices: list[KillableProcess], collectors: list[KillableProcess], proxies: list[Proxy]
    ) -> None:
        for number in range(1, self._plan.kills + 1):
            time.sleep(self._random.expovariate(1 / self._plan.kill_interval_s))
            victim = self._random.choice(self._plan.victims)
            if victim == "broker":
                self.counts.in_flight += self._count_waiting() > 0
                self._broker.kill()
                if self._random.random() < 0.5:
                    (self._plan.folder / "mosquitto.db").unlink(missing_ok=True)
                limit_bytes = self._random.choice(PACKET_LIMITS_BYTES)
                limit = f"max_packet_size {limit_bytes}\n" if limit_bytes else ""
                self._broker.config.write_text(self._broker_config + limit)
                time.sleep(self._random.uniform(0, 0.5))
                self._broker.start()
            else:
                process = self._random.choice(devices if victim == "device" else collectors)
                waiting = count_waiting(process.outbox) if process.outbox else self._count_waiting()
                self.counts.in_flight += waiting > 0
                process.kill()
                if self._plan.renames and self._random.random() < RENAME_PROBABILITY:
                    self._rename(process)
                process.start()
            if self._random.random() < FAULT_PROBABILITY:
                self._cut_network(self._random.choice(proxies))
            if self._random.random() < FAULT_PROBABILITY:
                self._fill_disk(self._random.choice([*devices, *collectors]))
            if self._plan.erases and self._random.random() < ERASURE_PROBABILITY:
                self._erasures.start()
            if self._random.random() < ERASURE_PROBABILITY:
                self._erasures.kill()
            if number % 25 == 0:
                self._plan.report(f"{number} kills, {self._count_waiting()} rows waiting")

    def _rename(self, process: KillableProcess) -> None:
        """Give a sender another name, as someone does who edits its settings."""
        if process.device.startswith("sender"):
            self.counts.renames += 1
            name = f"{process.device.split('-r')[0]}-r{self.counts.renames}"
            process.command = [name if part == process.device else part for part in process.command]
            process.device = name

    def _cut_network(self, proxy: Proxy) -> None:
        proxy.cut = True
        proxy.break_all()
        time.sleep(self._random.uniform(0.1, 1.0))
        proxy.cut = False

    def _fill_disk(self, process: KillableProcess) -> None:
        """Prevent files from growing for a while, as on a full disk."""
        files = [*self._plan.folder.glob("*.db"), *self._plan.folder.glob("*.db-wal")]
        process.limit_file_size(min(file.stat().st_size for file in files if file.stat().st_size))
        time.sleep(self._random.uniform(0.1, 1.0))
        process.limit_file_size(resource.RLIM_INFINITY)

    def _drain(self, devices: list[KillableProcess], collectors: list[KillableProcess]) -> None:
        """Run everything without faults until every row is acknowledged; devices run in short rounds."""
        for process in collectors:
            if process.process is None or process.process.poll() is not None:
                process.start()
        min_waiting, rounds_left = self._count_waiting() + 1, MAX_ROUNDS_WITHOUT_PROGRESS
        while rounds_left and (
            pending := [device for device in devices if device.outbox and count_waiting(device.outbox)]
        ):
            waiting = self._count_waiting()
            rounds_left = MAX_ROUNDS_WITHOUT_PROGRESS if waiting < min_waiting else rounds_left - 1
            min_waiting = min(min_waiting, waiting)
            for process in pending:
                process.start()
            time.sleep(3)
            terminate(pending)  # they wait some seconds for their last acknowledgements

    def _count_waiting(self) -> int:
        return sum(count_waiting(path) for path in self.outboxes)

    @staticmethod
    def _wait_until(condition: Callable[[], bool], *, timeout_s: float) -> None:
        """Wait until the condition holds, or until the timeout."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s and not condition():
            time.sleep(0.1)


def summary_line(report: DeliveryReport, kills: int, counts: FaultCounts) -> str:
    """The last line of a run."""
    fates = ("sent", "stored", "rejected", "erased", "dropped", "waiting", "lost", "doubled")
    values = {"kills": kills} | asdict(counts) | {name: getattr(report, name) for name in fates}
    return " ".join(f"{name}={value}" for name, value in values.items())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("--postgresql", action="store_true", help="two collectors on one PostgreSQL database")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mien-faults-") as folder, ExitStack() as stack:
        plan = FaultPlan(Path(folder), options.kills, options.seed, report=lambda line: print(line, file=sys.stderr))
        if options.postgresql:
            plan.shared_log = stack.enter_context(running_postgresql()).database("mien")
        harness = FaultHarness(plan)
        report = harness.run()
        print(summary_line(report, options.kills, harness.counts))
        for name, problem in report.problems.items():
            print(f"mien db check: {name}: {problem}")
        if report.missing:
            print(f"mien db check: {report.missing} numbers are missing")
        if report.not_erased:
            print(f"{report.not_erased} observations are in the log though they were erased")
    return int(not report.is_sound)


if __name__ == "__main__":
    sys.exit(main())
