"""A device whose camera `mien aim` has is shown as paused."""

import time
from pathlib import Path

import msgspec
import pytest
from samples import OUTBOX, make_health, make_observation

from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.device_state import DeviceState
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.broker.query import EmotionLog
from mien.messages.health import CameraHealth, encode_health
from mien.messages.observation import encode_observation


@pytest.mark.parametrize(("is_paused", "state"), [(True, "paused"), (False, "closed")])
def test_a_camera_that_is_lent_is_paused(tmp_path: Path, is_paused: bool, state: str) -> None:
    now_ms = time.time_ns() // 1_000_000
    camera = CameraHealth(kind="rpicam", state="closed", failures=0, error="", paused=is_paused)
    health = msgspec.structs.replace(make_health(OUTBOX), camera=camera)
    engine = open_for_writing(tmp_path / "mien.db")
    store = Store(engine)
    payload = encode_observation(make_observation())
    store.record([decode_message(topic="t", payload=payload, received_ms=now_ms, device="hallway")])
    store.save_device_states({("hallway", "health"): DeviceState(encode_health(health), now_ms)})
    engine.dispose()
    with EmotionLog(tmp_path / "mien.db") as log:
        assert [device.camera for device in log.devices()] == [state]
