"""What open dashboards cost the collector: python benchmarks/dashboard.py [--clients N] [--seconds S] [--json].

A store inserts batches of a thousand observations as fast as it can, first alone, then while `mien dashboard` serves
its log to N clients, each of which requests devices, counts and observations every five seconds. Writer, dashboard and
clients are separate processes on the same machine. ingest_ratio: rows per second meanwhile, relative to rows per second
alone. succeeded: the fraction of requests with status 200. response_p95_s: the 95th percentile of their times.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path

import httpx2
from parts.measure import ChildProcess, Metrics, benchmark_parser, print_metrics
from query import make_observations
from sqlalchemy import Engine

from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.message import IncomingMessage
from mien.broker.ingest.store import Store
from mien.messages.observation import Observation

POLL_INTERVAL_S = 5.0
PATHS = ("/api/devices", "/api/counts?by=hour,device,emotion", "/api/observations?limit=50")
BATCH = 1000
MAX_ROWS = 10_000_000
WARMUP_S = 5.0


def ingest(
    engine: Engine, observations: Iterator[Observation], duration_s: float, check: Callable[[], None] = lambda: None
) -> float:
    """Insert observations for some time; the rows per second. `check` is called after each batch."""
    store, stored, start_s = Store(engine), 0, time.monotonic()
    while time.monotonic() - start_s < duration_s:
        batch = [
            IncomingMessage(
                topic="",
                payload=b"",
                received_ms=0,
                device=observation.device,
                envelope=observation,
                body=observation,
            )
            for observation in islice(observations, BATCH)
        ]
        stored += store.record(batch).stored
        check()
    return stored / (time.monotonic() - start_s)


async def poll(url: str, clients: int, duration_s: float) -> list[tuple[int, float]]:
    """Status and duration in seconds of each request."""
    responses: list[tuple[int, float]] = []
    end_s = time.monotonic() + duration_s

    async def run_client(number: int) -> None:
        await asyncio.sleep(POLL_INTERVAL_S * number / clients)
        async with httpx2.AsyncClient(timeout=60) as client:
            while time.monotonic() < end_s:
                round_start_s = time.monotonic()
                for path in PATHS:
                    start_s = time.monotonic()
                    response = await client.get(url + path)
                    responses.append((response.status_code, time.monotonic() - start_s))
                await asyncio.sleep(max(0.0, POLL_INTERVAL_S - (time.monotonic() - round_start_s)))

    await asyncio.gather(*(run_client(number) for number in range(clients)))
    return responses


def run_poll(url: str, clients: int, duration_s: float) -> list[tuple[int, float]]:
    """`poll`, for a separate process."""
    return asyncio.run(poll(url, clients, duration_s))


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mien.db"
        engine = open_for_writing(path)
        command = [sys.executable, "-m", "mien", "dashboard", "--db", str(path), "--port", "0"]
        with ChildProcess("`mien dashboard`", command) as dashboard:  # a broken one fails before the long measurement
            dashboard.wait_for_line("dashboard: ")
        observations = make_observations(MAX_ROWS)
        ingest(engine, observations, WARMUP_S)
        rows_per_s_alone = ingest(engine, observations, options.seconds)
        with ChildProcess("`mien dashboard`", command) as dashboard, ProcessPoolExecutor(1) as process:
            url = dashboard.wait_for_line("dashboard: ")
            polling = process.submit(run_poll, url, options.clients, options.seconds + 2 * POLL_INTERVAL_S)
            dashboard.sleep(POLL_INTERVAL_S)
            rows_per_s_polled = ingest(engine, observations, options.seconds, dashboard.check)
            responses = polling.result()
        engine.dispose()
    times_s = sorted(time_s for _, time_s in responses)
    metrics: Metrics = {
        "rows_per_s_alone": rows_per_s_alone,
        "rows_per_s_polled": rows_per_s_polled,
        "ingest_ratio": rows_per_s_polled / rows_per_s_alone,
        "requests": float(len(responses)),
        "succeeded": sum(status == 200 for status, _ in responses) / max(1, len(responses)),
        "response_p95_s": times_s[len(times_s) * 95 // 100] if times_s else 0.0,
    }
    title = f"{options.clients} clients, each polling every {POLL_INTERVAL_S:.0f} s"
    print_metrics(title, metrics, as_json=options.json)


if __name__ == "__main__":
    main()
