"""The delivery promise under fire; `make faults KILLS=500` is the long run."""

from pathlib import Path
from uuid import uuid4

import pytest
from fuzz import fuzz
from harness import Harness, Plan
from postgresql import PostgreSQL


@pytest.mark.parametrize("seed", [1])
def test_nothing_is_lost_or_doubled_whatever_is_killed(tmp_path: Path, seed: int) -> None:
    account, in_flight = Harness(Plan(tmp_path, kills=30, seed=seed)).run()
    assert (account.lost, account.doubled, account.forged, account.problems) == (0, 0, 0, {})
    assert account.missing == 0
    assert account.sent > 1000
    assert account.rejected > 0
    assert in_flight >= 24


def test_two_collectors_share_the_load_and_lose_and_double_nothing(
    tmp_path: Path, postgresql_server: PostgreSQL
) -> None:
    plan = Plan(tmp_path, kills=12, seed=2, agents=0, shared_log=postgresql_server.database(uuid4().hex))
    account, _ = Harness(plan).run()
    assert (account.lost, account.doubled, account.forged, account.problems) == (0, 0, 0, {})
    assert account.missing == 0
    assert account.sent > 300


@pytest.mark.parametrize("careless", ["sender", "collector"])
def test_deleting_before_the_acknowledgement_and_acknowledging_before_the_commit_are_found_out(
    tmp_path: Path, careless: str
) -> None:
    plan = Plan(tmp_path, kills=6, seed=3, agents=0, victims=("collector",), between_kills_s=2.0, careless=careless)
    account, _ = Harness(plan).run()
    assert account.lost > 0


def test_mutated_messages_are_all_accounted_for() -> None:
    counts, problems = fuzz(payloads=5000, seed=1)
    assert not any(problems.values())
    assert counts["payloads"] == counts["stored"] + counts["duplicates"] + counts["rejected"]
    assert min(counts.values()) > 100
