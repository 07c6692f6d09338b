"""Somebody guesses the token of `mien dashboard`: it gets slower and slower, is logged, and locks nobody else out."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from dashboard_process import DashboardProcess

from mien.broker.database.engine import open_for_writing
from mien.broker.web.login_pauses import FREE_GUESSES

TOKEN = "correct-horse-battery-staple"  # noqa: S105 (only for this test)
GUESSES = 100


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[DashboardProcess]:
    open_for_writing(tmp_path / "mien.db").dispose()
    (tmp_path / "token").write_text(TOKEN)
    with DashboardProcess(tmp_path, token_file="token") as process:  # noqa: S106 (a file's name)
        yield process
    assert process.code == 0


def client(dashboard: DashboardProcess, address: str) -> httpx2.Client:
    transport = httpx2.HTTPTransport(local_address=address)
    return httpx2.Client(transport=transport, base_url=dashboard.url, timeout=20)


def test_guessing_is_slowed_down_logged_once_a_minute_and_locks_nobody_out(dashboard: DashboardProcess) -> None:
    with client(dashboard, "127.0.0.2") as attacker, client(dashboard, "127.0.0.3") as owner:
        forms = [attacker.post("/login", data={"token": f"guess-{number}"}) for number in range(GUESSES // 2)]
        headers = ({"Authorization": f"Bearer guess-{number}"} for number in range(GUESSES // 2))
        statuses = [attacker.get("/api/devices", headers=header).status_code for header in headers]
        answers = [response.headers["location"].partition("=")[0] for response in forms]
        looked_at = answers.count("/login?wrong") + statuses.count(401)
        assert FREE_GUESSES <= looked_at < 15  # pauses of 1, 2, 4 s and so on
        assert answers.count("/login?wait") + statuses.count(429) == GUESSES - looked_at
        assert "Too many wrong tokens" in attacker.get(forms[-1].headers["location"]).text
        wrong = {"Authorization": "Bearer wrong"}
        while int(attacker.get("/api/devices", headers=wrong).headers.get("retry-after", 0)) < 3:
            time.sleep(0.2)
        assert attacker.get("/api/devices", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 429
        assert owner.post("/login", data={"token": TOKEN}).headers["location"] == "/"
        assert owner.get("/api/devices").json() == {"devices": []}
    warnings = [line for line in dashboard.log.splitlines() if "wrong or too frequent tokens" in line]
    assert 1 <= len(warnings) <= 2
    assert "from 127.0.0.2" in warnings[0]
    assert "127.0.0.3 read /api/devices" in dashboard.log
    assert TOKEN not in dashboard.log
    assert "guess-" not in dashboard.log
    assert len(dashboard.log.splitlines()) < 10
