"""Idle listeners to events, against `mien dashboard`: they must not slow down the answers to others."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from dashboard_process import DashboardProcess
from polling import wait_for

from mien.broker.database.engine import open_for_writing
from mien.broker.web.event_stream import MAX_LISTENERS

ATTEMPTS = 150


@pytest.fixture
def dashboard(tmp_path: Path) -> Iterator[DashboardProcess]:
    open_for_writing(tmp_path / "mien.db").dispose()
    with DashboardProcess(tmp_path) as process:
        yield process
    assert process.code == 0


def test_only_so_many_listen_and_the_others_are_told_to_come_later(dashboard: DashboardProcess) -> None:
    with httpx2.Client(timeout=20, limits=httpx2.Limits(max_connections=None)) as client, ExitStack() as stack:

        def listen(stack: ExitStack) -> httpx2.Response:
            headers = {"Accept-Encoding": "gzip"}
            return stack.enter_context(client.stream("GET", f"{dashboard.url}/api/events", headers=headers))

        responses = [listen(stack) for _ in range(MAX_LISTENERS - 1)]
        with ExitStack() as leaving:
            responses.append(listen(leaving))
            assert {response.status_code for response in responses} == {200}
            for response in responses:
                assert response.headers["content-type"].startswith("text/event-stream")
                assert "content-encoding" not in response.headers
            lines = [response.iter_lines() for response in responses]
            assert {next(lines_of_one) for lines_of_one in lines} == {"event: ready"}
            for _ in range(ATTEMPTS - MAX_LISTENERS):
                refused = client.get(f"{dashboard.url}/api/events")
                assert refused.status_code == 503
                assert int(refused.headers["retry-after"]) > 0
                assert refused.headers["content-type"] == "application/problem+json"
            assert client.get(f"{dashboard.url}/api/devices", timeout=5).json() == {"devices": []}

        def has_room() -> bool:
            with ExitStack() as another:
                return listen(another).status_code == 200

        wait_for(has_room)
    assert len(dashboard.log.splitlines()) < 10
