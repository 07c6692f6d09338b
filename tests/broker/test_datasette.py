"""Datasette on the log, with the words that deploy/datasette.yaml gives it."""

import asyncio
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import yaml
from datasette.app import Datasette
from samples import make_observation

from mien.broker.arrival import decode_arrival
from mien.broker.database import open_for_writing
from mien.broker.store import Store
from mien.observation import encode


def test_views_and_questions_answer(tmp_path: Path) -> None:
    path = tmp_path / "emotions.db"
    engine = open_for_writing(path)
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    Store(engine).record(
        [decode_arrival(topic="t", payload=encode(make_observation()), received_ms=now_ms, device="hallway")]
    )
    engine.dispose()
    metadata = yaml.safe_load((files("mien.deploy") / "datasette.yaml").read_text())

    async def visit() -> None:
        datasette = Datasette([str(path)], metadata=metadata)
        await datasette.invoke_startup()
        front = (await datasette.client.get("/emotions.json")).json()
        assert {view["name"] for view in front["views"]} == {"emotion_counts", "emotion_log"}
        assert [table["name"] for table in front["tables"] if not table["hidden"]] == []
        assert "the label with the highest score" in (await datasette.client.get("/emotions/emotion_log")).text
        asked = [query["name"] for query in front["queries"]]
        assert len(asked) == 5
        for name in asked:
            given = "&device=hallway&day=2026-11-22" if name == "one_day_of_a_device" else ""
            answer = await datasette.client.get(f"/emotions/{name}.json?_shape=array{given}")
            assert answer.status_code == 200
            assert len(answer.json()) == 1, name

    asyncio.run(visit())
