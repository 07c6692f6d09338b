"""The broadcast of events to listeners."""

import asyncio

import pytest
from samples import make_observation

from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.broker.query import EmotionLog
from mien.broker.web.event_stream import COMMENT, MAX_LISTENERS, EventBroadcaster, EventStream, Queue
from mien.messages.observation import encode_observation


@pytest.fixture
def store(log: str) -> Store:
    return Store(open_for_writing(log))


def record(store: Store) -> None:
    payload = encode_observation(make_observation())
    store.record([decode_message(topic="t", payload=payload, received_ms=1_800_000_000_000, device="hallway")])


def test_each_event_is_encoded_once_for_all_listeners(log: str, store: Store) -> None:
    async def listen(emotion_log: EmotionLog) -> list[bytes | None]:
        broadcaster = EventBroadcaster(emotion_log.tail, on_change=lambda: None, poll_s=0.01)
        queues = [queue for _ in range(MAX_LISTENERS) if (queue := broadcaster.add_listener())]
        assert broadcaster.add_listener() is None
        assert [(await queue.get() or b"").splitlines()[0] for queue in queues] == [b"event: ready"] * MAX_LISTENERS
        await asyncio.sleep(0.3)  # for the tail to be opened; if it is not yet, the row is repeated below
        events: list[bytes | None] = []
        while not events:
            await asyncio.to_thread(record, store)
            try:
                events = [await asyncio.wait_for(queue.get(), 1.0) for queue in queues]
            except TimeoutError:
                continue
        for queue in queues:
            broadcaster.remove_listener(queue)
        return events

    with EmotionLog(log) as emotion_log:
        first, *others = asyncio.run(listen(emotion_log))
    assert first
    assert first.startswith(b'event: observations\ndata: [{"at":')
    assert first.endswith(b"}]\n\n")
    assert all(other is first for other in others)


def test_a_stream_ends_with_its_session_and_with_the_server() -> None:
    async def check() -> None:
        broadcaster = EventBroadcaster(lambda: pytest.fail("not opened"), on_change=lambda: None)
        queue: Queue = asyncio.Queue()
        allowed = [True, True, False]
        stream = EventStream(broadcaster, lambda: allowed.pop(0), idle_s=0.01)
        assert [event async for event in stream._read(queue)] == [COMMENT, COMMENT]
        queue.put_nowait(None)
        assert [event async for event in EventStream(broadcaster, lambda: True)._read(queue)] == []

    asyncio.run(check())
