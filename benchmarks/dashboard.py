"""What open pages cost the collector: python benchmarks/dashboard.py [--clients N] [--seconds S] [--json].

A store takes batches of a thousand observations as fast as it can, first alone, then while `mien dashboard` serves its
log to N clients, each asking for devices, counts and observations every five seconds. Writer, dashboard and
clients are processes of their own on the same machine. ingest_ratio: rows a second then over
rows a second alone. answered: how many of the questions were answered with 200, and the slowest twentieth's time.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path

import httpx2
from measure import print_figures
from query import observations
from sqlalchemy import Engine

from mien.broker.arrival import Arrival
from mien.broker.database import open_for_writing
from mien.broker.store import Store
from mien.observation import Observation

EVERY_S = 5.0
PATHS = ("/api/devices", "/api/counts?by=hour,device,emotion", "/api/observations?limit=50")
BATCH = 1000
MOST = 10_000_000


def ingest(engine: Engine, rows: Iterator[Observation], seconds: float) -> float:
    """Rows a second."""
    store, stored, begun_s = Store(engine), 0, time.monotonic()
    while time.monotonic() - begun_s < seconds:
        batch = [
            Arrival(topic="", payload=b"", received_ms=0, device=seen.device, envelope=seen, body=seen)
            for seen in islice(rows, BATCH)
        ]
        stored += store.record(batch).stored
    return stored / (time.monotonic() - begun_s)


async def poll(url: str, clients: int, seconds: float) -> list[tuple[int, float]]:
    """Status and seconds of each question."""
    answers: list[tuple[int, float]] = []
    end_s = time.monotonic() + seconds

    async def one(number: int) -> None:
        await asyncio.sleep(EVERY_S * number / clients)
        async with httpx2.AsyncClient(timeout=60) as client:
            while time.monotonic() < end_s:
                begun_s = time.monotonic()
                for path in PATHS:
                    asked_s = time.monotonic()
                    response = await client.get(url + path)
                    answers.append((response.status_code, time.monotonic() - asked_s))
                await asyncio.sleep(max(0.0, EVERY_S - (time.monotonic() - begun_s)))

    await asyncio.gather(*(one(number) for number in range(clients)))
    return answers


def polled_by(url: str, clients: int, seconds: float) -> list[tuple[int, float]]:
    """The same, for a process of its own."""
    return asyncio.run(poll(url, clients, seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "mien.db"
        engine = open_for_writing(path)
        rows = observations(MOST)
        ingest(engine, rows, 5)
        alone = ingest(engine, rows, options.seconds)
        command = [sys.executable, "-m", "mien", "dashboard", "--db", str(path), "--port", "0"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as dashboard:
            assert dashboard.stderr is not None  # noqa: S101 (tells mypy)
            url = dashboard.stderr.readline().removeprefix("dashboard: ").strip()
            with ProcessPoolExecutor(1) as others:
                asked = others.submit(polled_by, url, options.clients, options.seconds + 2 * EVERY_S)
                time.sleep(EVERY_S)
                polled = ingest(engine, rows, options.seconds)
                answers = asked.result()
            dashboard.terminate()
        engine.dispose()
    times = sorted(seconds for _, seconds in answers)
    figures: dict[str, float | str] = {
        "rows_per_s_alone": alone,
        "rows_per_s_polled": polled,
        "ingest_ratio": polled / alone,
        "questions": float(len(answers)),
        "answered": sum(status == 200 for status, _ in answers) / max(1, len(answers)),
        "answer_p95_s": times[len(times) * 95 // 100] if times else 0.0,
    }
    print_figures(f"{options.clients} clients, each every {EVERY_S:.0f} s", figures, as_json=options.json)


if __name__ == "__main__":
    main()
