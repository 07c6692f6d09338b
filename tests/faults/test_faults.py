"""The delivery guarantee under fault injection; `make faults KILLS=500` is the long run."""

from pathlib import Path
from uuid import uuid4

import pytest
from fuzz import fuzz
from harness import FaultHarness, FaultPlan
from postgresql import PostgreSQL


@pytest.mark.parametrize("seed", [1])
def test_nothing_is_lost_or_duplicated_whatever_is_killed(tmp_path: Path, seed: int) -> None:
    plan = FaultPlan(tmp_path, kills=30, seed=seed, rows_per_s=24.0)  # fast enough that most kills hit rows in flight
    report, in_flight = FaultHarness(plan).run()
    assert (report.lost, report.duplicated, report.forged, report.problems) == (0, 0, 0, {})
    assert report.missing == 0
    assert report.silent == []
    assert report.sent > 1000
    assert report.rejected > 0
    assert in_flight >= 24


def test_two_collectors_share_the_load_and_lose_or_duplicate_nothing(
    tmp_path: Path, postgresql_server: PostgreSQL
) -> None:
    plan = FaultPlan(tmp_path, kills=12, seed=2, agents=0, shared_log=postgresql_server.database(uuid4().hex))
    report, _ = FaultHarness(plan).run()
    assert (report.lost, report.duplicated, report.forged, report.problems) == (0, 0, 0, {})
    assert report.missing == 0
    assert report.sent > 300


@pytest.mark.parametrize("careless", ["sender", "collector"])
def test_the_harness_detects_early_deletion_and_early_acknowledgement(tmp_path: Path, careless: str) -> None:
    plan = FaultPlan(
        tmp_path, kills=6, seed=3, agents=0, victims=("collector",), kill_interval_s=2.0, careless=careless
    )
    report, _ = FaultHarness(plan).run()
    assert report.lost > 0


def test_mutated_messages_are_all_accounted_for() -> None:
    counts, problems = fuzz(payloads=5000, seed=1)
    assert not any(problems.values())
    assert counts["payloads"] == counts["stored"] + counts["duplicates"] + counts["rejected"]
    assert min(counts.values()) > 100
