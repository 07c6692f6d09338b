"""Kills everything at random moments, then accounts for every observation: python harness.py KILLS SEED [options].

Two complete agents with simulated motion, and a fleet of real outbox and publisher processes, send through a TCP proxy
and a real mosquitto to real collectors. Agents, senders, broker (sometimes with its persistence file deleted) and
collectors are killed with kill -9, the network is cut, and disks are full for a while. Prints one last line:
kills=… in_flight=… sent=… stored=… rejected=… dropped=… waiting=… lost=… duplicated=…
in_flight counts the kills at whose moment an outbox contained unacknowledged rows.
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from journal import DeliveryReport, account_for, count_waiting, create_outbox
from mosquitto import configure_mosquitto
from postgresql import running_postgresql
from proxy import Proxy

FOLDER = Path(__file__).parent
MIEN = [sys.executable, "-m", "mien"]
MAX_ROUNDS_WITHOUT_PROGRESS = 10
"""Rounds without fewer waiting rows after which the harness gives up on them."""
FAULT_PROBABILITY = 0.15
"""Of a network cut, and of a full disk, after each kill."""
AGENT_CONFIG = """
device = "{device}"
outbox = "{outbox}"
clock = "trusted"
[mqtt]
port = {port}
[motion]
kind = "simulated"
intervals_s = [[0.0, 6.0], [7.0, 12.0]]
period_s = 13.0
hold_s = 0.5
[camera]
kind = "demo"
width = 320
height = 240
frames_per_second = 5.0
[reporting]
interval_s = 0.25
min_frames = 1
"""
COLLECTOR_CONFIG = """
name = "{name}"
database = "{database}"
shared_subscription = {shared_subscription}
[mqtt]
port = {port}
"""


@dataclass(slots=True)
class KillableProcess:
    """A process that is killed and started again."""

    command: list[str]
    log: Path
    outbox: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            environment = os.environ | {"PYTHONPATH": str(FOLDER.parent / "support")}
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.log.parent, env=environment)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def limit_file_size(self, size_bytes: int) -> None:
        """Prevent the process from growing any file beyond a size; RLIM_INFINITY removes the limit."""
        if self.process is not None and self.process.poll() is None:
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))


def terminate(processes: Iterable[KillableProcess]) -> None:
    """Terminate processes as a user would, and wait for all of them."""
    running = [process.process for process in processes if process.process is not None]
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(slots=True)
class FaultPlan:
    """What to run, and which faults to inject."""

    folder: Path
    kills: int
    seed: int
    senders: int = 6
    agents: int = 2
    rows_per_s: float = 12.0
    kill_interval_s: float = 0.6
    shared_log: str = ""
    """PostgreSQL URL, for two collectors that share it; otherwise a SQLite file and one collector."""
    victims: tuple[str, ...] = ("device",) * 5 + ("collector",) * 3 + ("broker",) * 2
    """What is killed, with its frequency."""
    careless: str = ""
    """`sender` or `collector`: a mistake that the harness must detect."""
    report: Callable[[str], None] = lambda line: None


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
        self.log = plan.shared_log or str(plan.folder / "mien.db")
        self.outboxes: list[Path] = []

    def run(self) -> tuple[DeliveryReport, int]:
        """Start everything, inject faults, let the rows drain, and account for them.

        Also returns the number of kills while rows were in flight.
        """
        self._broker.start()
        with Proxy(self._broker.port) as device_proxy, Proxy(self._broker.port) as collector_proxy:
            collectors = self._create_collectors(collector_proxy.port)
            devices = self._create_devices(device_proxy.port)
            for process in [*collectors, *devices]:
                process.start()
            self._wait_until(lambda: self._count_waiting() > 0, timeout_s=60)
            try:
                in_flight = self._inject_faults(devices, collectors, [device_proxy, collector_proxy])
                terminate(devices)
                self._drain(devices, collectors)
            finally:
                terminate([*devices, *collectors])
                self._broker.kill()
        return account_for(self.outboxes, self.log), in_flight

    def _create_collectors(self, port: int) -> list[KillableProcess]:
        folder = self._plan.folder
        if self._plan.careless == "collector":
            command = [sys.executable, str(FOLDER / "careless_collector.py"), self.log, str(port)]
            return [KillableProcess(command, folder / "collector.log")]
        shared_subscription = "true" if self._plan.shared_log else "false"
        processes = []
        for name in ["one", "two"] if self._plan.shared_log else ["one"]:
            config = folder / f"{name}.toml"
            config.write_text(
                COLLECTOR_CONFIG.format(
                    name=name, database=self.log, shared_subscription=shared_subscription, port=port
                )
            )
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
            processes.append(KillableProcess(command, folder / f"{device}.log", outbox))
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
            processes.append(KillableProcess(command, folder / f"{device}.log", outbox))
        return processes

    def _create_outbox(self, device: str) -> Path:
        path = self._plan.folder / f"{device}.db"
        create_outbox(path, device)
        self.outboxes.append(path)
        return path

    def _inject_faults(
        self, devices: list[KillableProcess], collectors: list[KillableProcess], proxies: list[Proxy]
    ) -> int:
        in_flight = 0
        for number in range(1, self._plan.kills + 1):
            time.sleep(self._random.expovariate(1 / self._plan.kill_interval_s))
            victim = self._random.choice(self._plan.victims)
            if victim == "broker":
                in_flight += self._count_waiting() > 0
                self._broker.kill()
                if self._random.random() < 0.5:
                    (self._plan.folder / "mosquitto.db").unlink(missing_ok=True)
                time.sleep(self._random.uniform(0, 0.5))
                self._broker.start()
            else:
                process = self._random.choice(devices if victim == "device" else collectors)
                in_flight += (count_waiting(process.outbox) if process.outbox else self._count_waiting()) > 0
                process.kill()
                process.start()
            if self._random.random() < FAULT_PROBABILITY:
                self._cut_network(self._random.choice(proxies))
            if self._random.random() < FAULT_PROBABILITY:
                self._fill_disk(self._random.choice([*devices, *collectors]))
            if number % 25 == 0:
                self._plan.report(f"{number} kills, {self._count_waiting()} rows waiting")
        return in_flight

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


def summary_line(report: DeliveryReport, kills: int, in_flight: int) -> str:
    """The last line of a run."""
    names = ("sent", "stored", "rejected", "dropped", "waiting", "lost", "duplicated")
    counts = " ".join(f"{name}={getattr(report, name)}" for name in names)
    return f"kills={kills} in_flight={in_flight} {counts}"


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
        report, in_flight = FaultHarness(plan).run()
        print(summary_line(report, options.kills, in_flight))
        for name, problem in report.problems.items():
            print(f"mien db check: {name}: {problem}")
        if report.missing:
            print(f"mien db check: {report.missing} numbers are missing")
    return int(bool(report.lost or report.duplicated or report.forged or report.problems or report.missing))


if __name__ == "__main__":
    sys.exit(main())
