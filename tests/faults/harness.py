"""Kills everything at random moments and then looks for every observation: python harness.py KILLS SEED [options].

Two full agents on scripted sensors and a fleet of real outbox and uplink processes send through a TCP proxy and a real
mosquitto to real collectors. kill -9 of agents, senders, broker (sometimes with its persistence file gone) and
collectors; the network is cut; disks are full for a while. Ends with one line:
kills=… in_flight=… sent=… stored=… rejected=… dropped=… waiting=… lost=… doubled=…
in_flight counts the kills at whose moment rows stood in an outbox without an answer.
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

import journal
import postgresql
from mosquitto import configured
from proxy import Proxy

HERE = Path(__file__).parent
MIEN = [sys.executable, "-m", "mien"]
PATIENCE = 10
"""Rounds in which fewer rows must come to wait, before the harness gives up on them."""
AGENT = """
device = "{device}"
outbox = "{outbox}"
clock = "trusted"
[mqtt]
port = {port}
[motion]
script = [[0.0, 6.0], [7.0, 12.0]]
repeat_s = 13.0
hold_s = 0.5
[camera]
kind = "portrait"
path = "{portrait}"
width = 320
height = 240
frames_per_second = 5.0
[reporting]
interval_s = 0.25
fewest_frames = 1
"""


@dataclass(slots=True)
class Program:
    """A process that is killed and started again."""

    command: list[str]
    log: Path
    outbox: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            environment = os.environ | {"PYTHONPATH": str(HERE.parent / "support")}
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.log.parent, env=environment)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def limit_files(self, size: int) -> None:
        """Let the process write no file beyond a size; RLIM_INFINITY lifts it."""
        if self.process is not None and self.process.poll() is None:
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def stop(programs: Iterable[Program]) -> None:
    """End programs as a person would, and wait for all of them."""
    running = [program.process for program in programs if program.process is not None]
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(slots=True)
class Plan:
    """What to run and how hard to hit it."""

    folder: Path
    kills: int
    seed: int
    senders: int = 6
    agents: int = 2
    rows_a_second: float = 12.0
    between_kills_s: float = 0.6
    shared_log: str = ""
    """PostgreSQL's URL, for two collectors that share it; else a SQLite file and one collector."""
    victims: tuple[str, ...] = ("device",) * 5 + ("collector",) * 3 + ("broker",) * 2
    """What is killed, each as often as it stands here."""
    careless: str = ""
    """`sender` or `collector`: a mistake that the harness must find."""
    say: Callable[[str], None] = lambda line: None


class Harness:
    """All programs of one run."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)
        self._broker = configured(
            plan.folder,
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {plan.folder}/",
            "autosave_interval 1",
            "max_queued_messages 100000",
        )
        self.log = plan.shared_log or str(plan.folder / "mien.db")
        self.outboxes: list[Path] = []

    def run(self) -> tuple[journal.Account, int]:
        """Start, hit, let settle, account; with it the number of kills that met rows in flight."""
        self._broker.start()
        with Proxy(self._broker.port) as devices_way, Proxy(self._broker.port) as collectors_way:
            collectors = self._collectors(collectors_way.port)
            devices = self._devices(devices_way.port)
            for program in [*collectors, *devices]:
                program.start()
            self._settle(longest_s=60, until=lambda: self._waiting() > 0)
            try:
                in_flight = self._hit(devices, collectors, [devices_way, collectors_way])
                stop(devices)
                self._finish(devices, collectors)
            finally:
                stop([*devices, *collectors])
                self._broker.kill()
        return journal.account(self.outboxes, self.log), in_flight

    def _collectors(self, port: int) -> list[Program]:
        folder = self._plan.folder
        if self._plan.careless == "collector":
            command = [sys.executable, str(HERE / "careless_collector.py"), self.log, str(port)]
            return [Program(command, folder / "collector.log")]
        names = ["one", "two"] if self._plan.shared_log else ["one"]
        programs = []
        for name in names:
            config = folder / f"{name}.toml"
            share = "true" if self._plan.shared_log else "false"
            config.write_text(f'name = "{name}"\ndatabase = "{self.log}"\nshare = {share}\n[mqtt]\nport = {port}\n')
            programs.append(Program([*MIEN, "collect", "--config", str(config)], folder / f"{name}.log"))
        return programs

    def _devices(self, port: int) -> list[Program]:
        folder, programs = self._plan.folder, []
        for number in range(self._plan.agents):
            device = f"agent-{number}"
            outbox, config = self._outbox(device), folder / f"{device}.toml"
            portrait = HERE.parents[1] / "broker" / "portrait.jpg"
            config.write_text(AGENT.format(device=device, outbox=outbox, port=port, portrait=portrait))
            programs.append(Program([*MIEN, "agent", "run", "--config", str(config)], folder / f"{device}.log", outbox))
        for number in range(self._plan.senders):
            device = f"sender-{number}"
            outbox = self._outbox(device)
            command = [sys.executable, str(HERE / "sender.py"), device, str(outbox), str(port)]
            # One of them is full as soon as nobody answers for a second or two.
            rate, cap = (4 * self._plan.rows_a_second, 100) if number == 0 else (self._plan.rows_a_second, 100_000)
            command += [str(rate), str(cap)]
            command += ["careless"] if self._plan.careless == "sender" else []
            programs.append(Program(command, folder / f"{device}.log", outbox))
        return programs

    def _outbox(self, device: str) -> Path:
        path = self._plan.folder / f"{device}.db"
        journal.begin(path, device)
        self.outboxes.append(path)
        return path

    def _hit(self, devices: list[Program], collectors: list[Program], ways: list[Proxy]) -> int:
        in_flight = 0
        for number in range(1, self._plan.kills + 1):
            time.sleep(self._random.expovariate(1 / self._plan.between_kills_s))
            victim = self._random.choice(self._plan.victims)
            if victim == "broker":
                in_flight += self._waiting() > 0
                self._broker.kill()
                if self._random.random() < 0.5:
                    (self._plan.folder / "mosquitto.db").unlink(missing_ok=True)
                time.sleep(self._random.uniform(0, 0.5))
                self._broker.start()
            else:
                program = self._random.choice(devices if victim == "device" else collectors)
                in_flight += (journal.waiting(program.outbox) if program.outbox else self._waiting()) > 0
                program.kill()
                program.start()
            if self._random.random() < 0.15:
                self._cut(self._random.choice(ways))
            if self._random.random() < 0.15:
                self._fill(self._random.choice([*devices, *collectors]))
            if number % 25 == 0:
                self._plan.say(f"{number} kills, {self._waiting()} rows wait")
        return in_flight

    def _cut(self, way: Proxy) -> None:
        way.cut = True
        way.break_all()
        time.sleep(self._random.uniform(0.1, 1.0))
        way.cut = False

    def _fill(self, program: Program) -> None:
        """No byte more than now for a while, as on a full disk."""
        files = [*self._plan.folder.glob("*.db"), *self._plan.folder.glob("*.db-wal")]
        program.limit_files(min(file.stat().st_size for file in files if file.stat().st_size))
        time.sleep(self._random.uniform(0.1, 1.0))
        program.limit_files(resource.RLIM_INFINITY)

    def _finish(self, devices: list[Program], collectors: list[Program]) -> None:
        """Let everything run without harm until every row has its answer; new rows come for a moment only."""
        for program in collectors:
            if program.process is None or program.process.poll() is not None:
                program.start()
        fewest, patience = self._waiting() + 1, PATIENCE
        while patience and (left := [one for one in devices if one.outbox and journal.waiting(one.outbox)]):
            patience = PATIENCE if self._waiting() < fewest else patience - 1
            fewest = min(fewest, self._waiting())
            for program in left:
                program.start()
            time.sleep(3)
            stop(left)  # they wait some seconds for their last answers

    def _waiting(self) -> int:
        return sum(journal.waiting(path) for path in self.outboxes)

    @staticmethod
    def _settle(*, longest_s: float, until: Callable[[], bool]) -> None:
        ends_s = time.monotonic() + longest_s
        while time.monotonic() < ends_s and not until():
            time.sleep(0.1)


def sentence(account: journal.Account, kills: int, in_flight: int) -> str:
    """The last line of a run."""
    names = ("sent", "stored", "rejected", "dropped", "waiting", "lost", "doubled")
    figures = " ".join(f"{name}={getattr(account, name)}" for name in names)
    return f"kills={kills} in_flight={in_flight} {figures}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("--postgresql", action="store_true", help="two collectors on one PostgreSQL database")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mien-faults-") as folder, ExitStack() as stack:
        plan = Plan(Path(folder), options.kills, options.seed, say=lambda line: print(line, file=sys.stderr))
        if options.postgresql:
            plan.shared_log = stack.enter_context(postgresql.running()).database("mien")
        account, in_flight = Harness(plan).run()
        print(sentence(account, options.kills, in_flight))
        for name, problem in account.problems.items():
            print(f"mien db check: {name}: {problem}")
        if account.missing:
            print(f"mien db check: {account.missing} numbers are missing")
    return int(bool(account.lost or account.doubled or account.forged or account.problems or account.missing))


if __name__ == "__main__":
    sys.exit(main())
