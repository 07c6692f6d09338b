"""Results are typed, frozen rows that become dictionaries and data frames: devices and gaps, on both databases."""

from uuid import UUID, uuid4

import pyarrow as pa
import pytest
from samples import make_health, make_observation

from mien.broker.database.engine import open_for_writing
from mien.broker.ingest.device_state import DeviceState
from mien.broker.ingest.message import decode_message
from mien.broker.ingest.store import Store
from mien.broker.query import EmotionLog
from mien.broker.query.result import Result
from mien.broker.row import ColumnRows, Row
from mien.messages.health import encode_health
from mien.messages.observation import encode_observation

RECEIVED_MS = 1_800_000_000_000


class Pair(Row, frozen=True):
    left: int
    right: str


@pytest.fixture
def gappy_outbox(log: str) -> UUID:
    """The outbox of the device hallway, of whose first five numbers the log lacks three; a cellar has no gaps."""
    outbox = uuid4()
    engine = open_for_writing(log)
    store = Store(engine)
    sent = [make_observation(outbox, seq) for seq in (1, 4)]
    for observation in [*sent, make_observation(uuid4(), device="cellar")]:
        payload, device = encode_observation(observation), observation.device
        store.record([decode_message(topic="t", payload=payload, received_ms=RECEIVED_MS, device=device)])
    health = make_health(outbox, first_seq=1, oldest_seq=6, next_seq=9)
    store.save_device_states({("hallway", "health"): DeviceState(encode_health(health), RECEIVED_MS)})
    engine.dispose()
    return outbox


def test_devices_and_gaps_are_typed_rows_and_data_frames(log: str, gappy_outbox: UUID) -> None:
    with EmotionLog(log, zone="UTC") as emotion_log:
        devices, gaps = emotion_log.devices(), emotion_log.gaps()
    assert [(row.device, row.gaps, row.waiting, row.last_emotion) for row in devices] == [
        ("cellar", 0, None, "happy"),
        ("hallway", 3, 3, "happy"),
    ]
    assert gaps.to_dicts() == [
        {"device": "hallway", "outbox": str(gappy_outbox), "first": 2, "last": 3},
        {"device": "hallway", "outbox": str(gappy_outbox), "first": 5, "last": 5},
    ]
    assert gaps.to_pandas()["last"].tolist() == [3, 5]
    frame = devices.to_arrow()
    assert frame.schema.field("motion").type == pa.bool_()  # though no device has reported any
    assert frame.to_pylist() == devices.to_dicts() == [row.to_dict() for row in devices]


def test_an_empty_log_has_no_devices_and_no_gaps(log: str) -> None:
    open_for_writing(log).dispose()
    with EmotionLog(log) as emotion_log:
        assert (emotion_log.devices().to_dicts(), emotion_log.gaps().to_dicts()) == ([], [])
        assert "last_emotion" in emotion_log.devices().to_arrow().column_names


@pytest.mark.usefixtures("gappy_outbox")
def test_rows_are_frozen(log: str) -> None:
    with EmotionLog(log) as emotion_log:
        row = emotion_log.observations(limit=1)[0]
    with pytest.raises(AttributeError):
        row.emotion = "sad"  # type: ignore[misc]


def test_the_rows_of_columns_are_those_of_tuples() -> None:
    columns = ColumnRows(Pair, {"left": [1, 2, 3], "right": ["a", "b", "c"]})
    assert list(columns) == [Pair(1, "a"), Pair(2, "b"), Pair(3, "c")]
    assert columns[-1] == Pair(3, "c")
    assert columns[::-1] == [Pair(3, "c"), Pair(2, "b"), Pair(1, "a")]
    assert columns == columns[:]
    assert columns != columns[1:]
    assert len(columns[:2]) == 2


def test_a_result_of_columns_makes_no_row_for_dictionaries_and_data_frames() -> None:
    def make_row(*_: object) -> Pair:
        raise AssertionError

    rows = ColumnRows(make_row, {"left": [1, 2], "right": ["a", "b"]})
    result = Result(rows, {"right": str, "left": int})
    assert result.to_dicts() == [{"right": "a", "left": 1}, {"right": "b", "left": 2}]
    assert result.to_arrow().to_pydict() == {"right": ["a", "b"], "left": [1, 2]}
