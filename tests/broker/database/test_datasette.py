"""Datasette serves the log with the metadata in deploy/server/datasette.yaml."""

import asyncio
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import yaml
from datasette.app import Datasette
from samples import make_observation

from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.messages.observation import encode_observation


def test_views_and_queries_return_rows(tmp_path: Path) -> None:
    path = tmp_path / "emotions.db"
    engine = open_for_writing(path)
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    payload = encode_observation(make_observation())
    Store(engine).record([decode_message(topic="t", payload=payload, received_ms=now_ms, device="hallway")])
    engine.dispose()
    metadata = yaml.safe_load((files("mien.deploy.server") / "datasette.yaml").read_text())

    async def visit() -> None:
        datasette = Datasette([str(path)], metadata=metadata)
        await datasette.invoke_startup()
        database = (await datasette.client.get("/emotions.json")).json()
        assert {view["name"] for view in database["views"]} == {"emotion_counts", "emotion_log"}
        assert [table["name"] for table in database["tables"] if not table["hidden"]] == []
        assert "the label with the highest score" in (await datasette.client.get("/emotions/emotion_log")).text
        queries = [query["name"] for query in database["queries"]]
        assert len(queries) == 5
        for name in queries:
            parameters = "&device=hallway&day=2026-11-22" if name == "one_day_of_a_device" else ""
            response = await datasette.client.get(f"/emotions/{name}.json?_shape=array{parameters}")
            assert response.status_code == 200
            assert len(response.json()) == 1, name

    asyncio.run(visit())
