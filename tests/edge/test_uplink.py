"""From outbox to database: the real uplink, mosquitto and collector."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from collecting import collecting
from mosquitto import Mosquitto
from samples import make_observation
from waiting import wait_for

from mien import acknowledgement
from mien.acknowledgement import Acknowledgement
from mien.broker.checking import check_log
from mien.broker.database import open_for_reading
from mien.broker.settings import CollectorSettings
from mien.edge.clock import Clock
from mien.edge.outbox import Cap, Outbox
from mien.edge.uplink import Uplink
from mien.motion import MotionState, decode_motion
from mien.mqtt import Mqtt

CLOCK = Clock("trusted")


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.db", device="hallway") as outbox:
        yield outbox


@pytest.fixture
def broker(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return start_mosquitto()


@pytest.fixture
def settings(tmp_path: Path, broker: Mosquitto) -> CollectorSettings:
    return CollectorSettings(database=str(tmp_path / "mien.db"), mqtt=Mqtt(port=broker.port))


def fill(outbox: Outbox, count: int) -> set[str]:
    """Put observations into the outbox; their ids as the log shows them."""
    return {str(outbox.append(lambda name, seq: make_observation(name, seq), CLOCK.moment()).id) for _ in range(count)}


def uplink(settings: CollectorSettings, outbox: Outbox) -> Uplink:
    return Uplink(settings.mqtt, device="hallway", model_id="0123456789ab", outbox=outbox, clock=CLOCK)


def log(settings: CollectorSettings) -> list[str]:
    with closing(sqlite3.connect(settings.database)) as database:
        return [identifier for (identifier,) in database.execute("SELECT id FROM emotion_log")]


def test_everything_in_the_outbox_reaches_the_log_once(settings: CollectorSettings, outbox: Outbox) -> None:
    ids = fill(outbox, 350)  # more than three windows
    with collecting(settings), uplink(settings, outbox) as up:
        assert up.drain(30)
        assert outbox.depth() == 0
    assert sorted(log(settings)) == sorted(ids)


def test_observations_wait_while_no_collector_is_online(settings: CollectorSettings, outbox: Outbox) -> None:
    ids = fill(outbox, 5)
    with uplink(settings, outbox) as up:
        assert not up.drain(1.0)
        assert outbox.depth() == 5
        with collecting(settings):
            assert up.drain(15)
    assert sorted(log(settings)) == sorted(ids)


def test_a_collector_that_comes_back_gets_the_rest(settings: CollectorSettings, outbox: Outbox) -> None:
    with uplink(settings, outbox) as up:
        with collecting(settings):
            ids = fill(outbox, 10)
            assert up.drain(15)
        ids |= fill(outbox, 10)
        with collecting(settings):
            assert up.drain(15)
    assert sorted(log(settings)) == sorted(ids)


def test_a_broker_that_is_killed_loses_nothing(settings: CollectorSettings, outbox: Outbox, broker: Mosquitto) -> None:
    with collecting(settings), uplink(settings, outbox) as up:
        ids = fill(outbox, 200)
        broker.kill()
        ids |= fill(outbox, 20)
        broker.start()
        assert up.drain(30)
    assert sorted(log(settings)) == sorted(ids)


def test_a_broker_with_a_short_queue_loses_nothing(
    tmp_path: Path, outbox: Outbox, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = start_mosquitto("allow_anonymous true", "max_queued_messages 5", "max_inflight_messages 2")
    settings = CollectorSettings(database=str(tmp_path / "mien.db"), mqtt=Mqtt(port=broker.port))
    ids = fill(outbox, 300)
    with uplink(settings, outbox) as up:
        assert not up.drain(1.0)
        with collecting(settings):
            assert up.drain(60)
    assert sorted(log(settings)) == sorted(ids)


def test_an_hour_of_coming_and_going_loses_nothing(settings: CollectorSettings, outbox: Outbox) -> None:
    ids: set[str] = set()
    with uplink(settings, outbox) as up:
        for _ in range(4):  # five minutes on, five minutes off, a thousand times as fast
            with collecting(settings):
                ids |= fill(outbox, 30)
                time.sleep(0.3)
            ids |= fill(outbox, 30)
            time.sleep(0.3)
        with collecting(settings):
            assert up.drain(30)
    assert sorted(log(settings)) == sorted(ids)


def test_what_a_full_outbox_drops_is_known_to_the_log(settings: CollectorSettings, tmp_path: Path) -> None:
    with Outbox(tmp_path / "small.db", device="hallway", cap=Cap(rows=100)) as outbox:
        fill(outbox, 250)
        with collecting(settings), uplink(settings, outbox) as up:
            assert up.drain(30)
            wait_for(lambda: "hallway" in check_log(open_for_reading(settings.database)).gaps)
        health = outbox.health(CLOCK)
    found = check_log(open_for_reading(settings.database))
    assert found.dropped == {"hallway": health.dropped}
    assert len(log(settings)) + health.dropped == 250
    assert found.gaps == {"hallway": {}}


def test_a_number_that_never_came_is_a_gap(settings: CollectorSettings, outbox: Outbox) -> None:
    fill(outbox, 10)
    outbox.stored([4, 5])  # as a careless uplink would
    with collecting(settings), uplink(settings, outbox) as up:
        assert up.drain(15)
    with collecting(settings), uplink(settings, outbox):  # it says anew how it is
        wait_for(lambda: check_log(open_for_reading(settings.database)).gaps == {"hallway": {str(outbox.id): [(4, 5)]}})


def test_motion_is_kept_by_the_broker_and_said_again_to_one_that_forgot(
    settings: CollectorSettings, outbox: Outbox, broker: Mosquitto
) -> None:
    def kept() -> list[str]:
        with closing(sqlite3.connect(settings.database)) as database:
            return [state for (state,) in database.execute("SELECT payload FROM device_state WHERE topic = 'motion'")]

    with uplink(settings, outbox) as up:
        up.tell_motion(MotionState(state="on", since=CLOCK.moment().at))  # before there is a connection
        with collecting(settings):
            wait_for(lambda: [decode_motion(one).state for one in kept()] == ["on"])
        up.tell_motion(MotionState(state="off", since=CLOCK.moment().at))
        broker.kill()
        broker.start()
        with collecting(settings):
            wait_for(lambda: [decode_motion(one).state for one in kept()] == ["off"])


def test_a_rejected_observation_is_kept_but_not_sent_again(settings: CollectorSettings, outbox: Outbox) -> None:
    fill(outbox, 2)
    with closing(sqlite3.connect(outbox._file.path)) as database, database:
        spoilt = "CAST(replace(payload, '\"happy\",', '\"smug\",') AS BLOB)"
        database.execute(f"UPDATE observation SET payload = {spoilt} WHERE seq = 1")  # noqa: S608 (a constant)
    with collecting(settings), uplink(settings, outbox) as up:
        assert up.drain(15)
    with closing(sqlite3.connect(outbox._file.path)) as database:
        ((seq, reason),) = database.execute("SELECT seq, refused FROM observation").fetchall()
    assert (seq, reason) == (1, "Invalid enum value 'smug' - at `$.emotion`")
    assert len(log(settings)) == 1


def test_an_acknowledgement_of_what_was_never_sent_is_not_believed(settings: CollectorSettings, outbox: Outbox) -> None:
    fill(outbox, 3)
    up = uplink(settings, outbox)
    up._settle(Acknowledgement(outbox=outbox.id, stored=[(1, 2**62)], rejected=[(2, "forged")]))
    assert outbox.depth() == 3


def test_status_is_online_and_then_stopped(settings: CollectorSettings, outbox: Outbox, tmp_path: Path) -> None:
    import queue

    from mien.connection import Connected, Connection, Event, Message, Received

    events: queue.Queue[Event] = queue.Queue()
    watcher = Connection(
        settings.mqtt,
        client_id="watcher",
        will=Message("watcher", b""),
        subscriptions=["mien/hallway/status"],
        events=events,
    )
    states = []
    with watcher:
        assert isinstance(events.get(timeout=15), Connected)
        with uplink(settings, outbox):
            states.append(events.get(timeout=15))
        states.append(events.get(timeout=15))
    texts = [event.payload.decode() for event in states if isinstance(event, Received)]
    assert [text.split('"')[3] for text in texts] == ["online", "stopped"]


def test_noise_on_its_topics_does_not_stop_it(settings: CollectorSettings, outbox: Outbox) -> None:
    import queue

    from mien.connection import Connected, Connection, Event, Message

    events: queue.Queue[Event] = queue.Queue()
    noise = Connection(
        settings.mqtt, client_id="noise", will=Message("noise", b""), subscriptions=["noise"], events=events
    )
    with noise, uplink(settings, outbox) as up:
        assert isinstance(events.get(timeout=15), Connected)
        for topic in ("mien/hallway/ack", "mien/_collector/collector/status"):
            text = f'{{"outbox":"{outbox.id}","rejected":[[1,"'.encode() + b"\xff" + b'"]]}'
            deep = b'{"x":' + b"[" * 100_000
            empty = acknowledgement.encode(Acknowledgement(outbox=outbox.id))
            for payload in (b"", b"noise", b"\xff", text, deep, empty):
                assert noise.publish(Message(topic, payload), wait_s=5)
        ids = fill(outbox, 3)
        with collecting(settings):
            assert up.drain(15)
    assert sorted(log(settings)) == sorted(ids)


def test_damaged_rows_do_not_hold_up_the_others(settings: CollectorSettings, outbox: Outbox) -> None:
    fill(outbox, 120)
    with closing(sqlite3.connect(outbox._file.path)) as database, database:
        database.execute("UPDATE observation SET payload = x'00ff'")
    ids = fill(outbox, 5)
    with collecting(settings), uplink(settings, outbox) as up:
        assert up.drain(15)
    assert sorted(log(settings)) == sorted(ids)
    with closing(sqlite3.connect(outbox._file.path)) as database:
        assert database.execute("SELECT count(*) FROM observation WHERE refused IS NOT NULL").fetchone() == (120,)


def test_rows_of_an_earlier_device_name_do_not_hold_up_the_others(settings: CollectorSettings, outbox: Outbox) -> None:
    for _ in range(120):
        outbox.append(lambda name, seq: make_observation(name, seq, device="attic"), CLOCK.moment())
    ids = fill(outbox, 5)
    with collecting(settings), uplink(settings, outbox) as up:
        assert up.drain(15)
    assert sorted(log(settings)) == sorted(ids)


def test_an_outbox_that_is_locked_for_a_while_is_waited_for(settings: CollectorSettings, outbox: Outbox) -> None:
    ids = fill(outbox, 3)
    outbox._file._database.execute("PRAGMA busy_timeout = 50")
    with (
        closing(sqlite3.connect(outbox._file.path, isolation_level=None)) as other,
        collecting(settings),
        uplink(settings, outbox) as up,
    ):
        other.execute("BEGIN IMMEDIATE")
        wait_for(lambda: len(log(settings)) == 3)
        assert not up.drain(1.0)
        other.execute("ROLLBACK")
        assert up.drain(30)
    assert sorted(log(settings)) == sorted(ids)
