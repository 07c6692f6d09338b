"""What a fault run starts and which faults it injects."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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
{sharing}
[mqtt]
port = {port}
"""
SHARING = """
shared_subscription = true
shared_group = "collectors-of-one-log"
"""


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
    erases: bool = True
    renames: bool = True
    careless: str = ""
    """`sender` or `collector`: a mistake that the harness must detect."""
    report: Callable[[str], None] = lambda line: None


@dataclass(slots=True)
class FaultCounts:
    """What happened in a run."""

    in_flight: int = 0
    """Kills while an outbox contained unacknowledged rows."""
    batches: int = 0
    batched: int = 0
    """Rows in the batches."""
    erasures: int = 0
    renames: int = 0
