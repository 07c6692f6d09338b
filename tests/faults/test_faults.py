"""The delivery guarantee under fault injection; `make faults KILLS=500` is the long run."""

from pathlib import Path
from uuid import uuid4

import pytest
from fault_plan import FaultPlan
from fuzz import fuzz
from harness import FaultHarness
from postgresql import PostgreSQL


@pytest.mark.parametrize("seed", [1])
def test_nothing_is_lost_or_doubled_whatever_is_killed(tmp_path: Path, seed: int) -> None:
    plan = FaultPlan(tmp_path, kills=30, seed=seed, rows_per_s=24.0)  # fast enough that most kills hit rows in flight
    harness = FaultHarness(plan)
    report = harness.run()
    assert report.is_sound, report
    assert report.silent == []
    assert report.sent > 1000
    assert report.rejected > 0
    assert report.erased > 0
    assert harness.counts.in_flight >= 24
    assert harness.counts.batches > 0


def test_two_collectors_share_the_load_and_lose_or_double_nothing(
    tmp_path: Path, postgresql_server: PostgreSQL
) -> None:
    plan = FaultPlan(tmp_path, kills=12, seed=2, agents=0, shared_log=postgresql_server.database(uuid4().hex))
    report = FaultHarness(plan).run()
    assert report.is_sound, report
    assert report.sent > 300


@pytest.mark.parametrize("careless", ["sender", "collector"])
def test_the_harness_detects_early_deletion_and_early_acknowledgement(tmp_path: Path, careless: str) -> None:
    plan = FaultPlan(
        tmp_path, kills=8, seed=3, agents=0, victims=("collector",), kill_interval_s=3.0, careless=careless
    )
    report = FaultHarness(plan).run()
    assert report.lost > 0


def test_damaged_messages_and_batches_are_all_accounted_for() -> None:
    report = fuzz(payloads=5000, seed=1)
    assert report.problems == []
    assert min(report.counts.values()) > 50
    assert {"envelope", "body", "device", "id", "erased"} <= report.reasons.keys()
