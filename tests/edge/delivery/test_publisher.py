"""From outbox to database: the real publisher, mosquitto and collector."""

import queue
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from mosquitto import Mosquitto
from outboxes import without_syncing
from polling import wait_for
from running_collector import running_collector
from samples import make_draft

from mien.broker.admin.integrity import check_log
from mien.broker.database.engine import open_for_reading
from mien.broker.settings import CollectorSettings
from mien.edge.delivery.clock import Clock
from mien.edge.delivery.outbox import Outbox, OutboxLimits
from mien.edge.delivery.publisher import Publisher
from mien.edge.delivery.timings import PublisherTimings
from mien.messages.acknowledgement import Acknowledgement, encode_acknowledgement
from mien.messages.motion import MotionState, decode_motion
from mien.mqtt.connection import Connection
from mien.mqtt.events import Connected, Event, Message, Received
from mien.mqtt.settings import MqttSettings
from mien.mqtt.timings import ConnectionTimings

CLOCK = Clock("trusted")
TIMINGS = PublisherTimings(
    first_resend_s=0.3, max_resend_s=2.0, retry_s=0.1, connection=ConnectionTimings(first_retry_s=0.1)
)


def append_observations(outbox: Outbox, count: int, device: str = "hallway") -> set[str]:
    """Append observations to the outbox and return their ids as in the log."""

    with without_syncing(outbox):
        observations = [outbox.append(make_draft(device=device), CLOCK.now()) for _ in range(count)]
    return {str(observation.id) for observation in observations}


def make_publisher(settings: CollectorSettings, outbox: Outbox, timings: PublisherTimings = TIMINGS) -> Publisher:
    return Publisher(
        settings.mqtt, device="hallway", model_id="0123456789ab", outbox=outbox, clock=CLOCK, timings=timings
    )


def read_log_ids(settings: CollectorSettings) -> list[str]:
    with closing(sqlite3.connect(settings.database)) as database:
        return [identifier for (identifier,) in database.execute("SELECT id FROM emotion_log")]


def test_everything_in_the_outbox_reaches_the_log_once(settings: CollectorSettings, outbox: Outbox) -> None:
    ids = append_observations(outbox, 350)  # more than three windows
    with running_collector(settings), make_publisher(settings, outbox) as publisher:
        assert publisher.drain(30)
        assert outbox.count_waiting() == 0
    assert sorted(read_log_ids(settings)) == sorted(ids)


def test_observations_wait_while_no_collector_is_online(settings: CollectorSettings, outbox: Outbox) -> None:
    ids = append_observations(outbox, 5)
    with make_publisher(settings, outbox) as publisher:
        assert not publisher.drain(0.3)
        assert outbox.count_waiting() == 5
        with running_collector(settings):
            assert publisher.drain(15)
    assert sorted(read_log_ids(settings)) == sorted(ids)


def test_a_collector_that_returns_gets_the_rest(settings: CollectorSettings, outbox: Outbox) -> None:
    with make_publisher(settings, outbox) as publisher:
        with running_collector(settings):
            ids = append_observations(outbox, 10)
            assert publisher.drain(15)
        ids |= append_observations(outbox, 10)
        with running_collector(settings):
            assert publisher.drain(15)
    assert sorted(read_log_ids(settings)) == sorted(ids)


def test_killing_the_broker_loses_nothing(settings: CollectorSettings, outbox: Outbox, broker: Mosquitto) -> None:
    with running_collector(settings), make_publisher(settings, outbox) as publisher:
        ids = append_observations(outbox, 200)
        broker.kill()
        ids |= append_observations(outbox, 20)
        broker.start()
        assert publisher.drain(30)
    assert sorted(read_log_ids(settings)) == sorted(ids)


def test_a_broker_with_a_short_queue_loses_nothing(
    tmp_path: Path, outbox: Outbox, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = start_mosquitto("allow_anonymous true", "max_queued_messages 5", "max_inflight_messages 2")
    settings = CollectorSettings(database=str(tmp_path / "mien.db"), mqtt=MqttSettings(port=broker.port))
    ids = append_observations(outbox, 300)
    with make_publisher(settings, outbox) as publisher:
        assert not publisher.drain(0.3)
        with running_collector(settings):
            assert publisher.drain(60)
    assert sorted(read_log_ids(settings)) == sorted(ids)


def test_a_collector_that_comes_and_goes_for_an_hour_loses_nothing(settings: CollectorSettings, outbox: Outbox) -> None:
    ids: set[str] = set()
    with make_publisher(settings, outbox) as publisher:
        for _ in range(4):  # five minutes on, five minutes off, three thousand times as fast
            with running_collector(settings):
                ids |= append_observations(outbox, 30)
                time.sleep(0.1)
            ids |= append_observations(outbox, 30)
            time.sleep(0.1)
        with running_collector(settings):
            assert publisher.drain(30)
    assert sorted(read_log_ids(settings)) == sorted(ids)


def test_the_log_accounts_for_what_a_full_outbox_drops(settings: CollectorSettings, tmp_path: Path) -> None:
    with Outbox(tmp_path / "small.db", device="hallway", limits=OutboxLimits(max_rows=100)) as outbox:
        append_observations(outbox, 250)
        with running_collector(settings), make_publisher(settings, outbox) as publisher:
            assert publisher.drain(30)
            wait_for(lambda: "hallway" in check_log(open_for_reading(settings.database)).gaps)
        health = outbox.health(CLOCK)
    report = check_log(open_for_reading(settings.database))
    assert report.dropped == {"hallway": health.dropped}
    assert len(read_log_ids(settings)) + health.dropped == 250
    assert report.gaps == {"hallway": {}}


def test_a_number_that_never_arrived_is_a_gap(settings: CollectorSettings, outbox: Outbox) -> None:
    append_observations(outbox, 10)
    outbox.delete_stored([4, 5])  # as a careless publisher would
    with running_collector(settings), make_publisher(settings, outbox) as publisher:
        assert publisher.drain(15)
    expected = {"hallway": {str(outbox.id): [(4, 5)]}}
    with running_collector(settings), make_publisher(settings, outbox):  # it publishes its health again
        wait_for(lambda: check_log(open_for_reading(settings.database)).gaps == expected)


def test_motion_is_retained_and_published_again_to_a_broker_that_lost_it(
    settings: CollectorSettings, outbox: Outbox, broker: Mosquitto
) -> None:
    def stored_states() -> list[str]:
        with closing(sqlite3.connect(settings.database)) as database:
            payloads = database.execute("SELECT payload FROM device_state WHERE topic = 'motion'").fetchall()
        return [decode_motion(payload).state for (payload,) in payloads]

    with make_publisher(settings, outbox) as publisher:
        publisher.publish_motion(MotionState(state="on", since=CLOCK.now().at))  # before there is a connection
        with running_collector(settings):
            wait_for(lambda: stored_states() == ["on"])
        publisher.publish_motion(MotionState(state="off", since=CLOCK.now().at))
        broker.kill()
        broker.start()
        with running_collector(settings):
            wait_for(lambda: stored_states() == ["off"])


def test_a_rejected_observation_is_kept_but_not_sent_again(settings: CollectorSettings, outbox: Outbox) -> None:
    append_observations(outbox, 2)
    with closing(sqlite3.connect(outbox._file.path)) as database, database:
        invalid_payload = "CAST(replace(payload, '\"happy\",', '\"smug\",') AS BLOB)"
        database.execute(f"UPDATE message SET payload = {invalid_payload} WHERE seq = 1")  # noqa: S608 (a constant)
    with running_collector(settings), make_publisher(settings, outbox) as publisher:
        assert publisher.drain(15)
    with closing(sqlite3.connect(outbox._file.path)) as database:
        ((seq, reason),) = database.execute("SELECT seq, reject_reason FROM message").fetchall()
    assert (seq, reason) == (1, "Invalid enum value 'smug' - at `$.emotion`")
    assert len(read_log_ids(settings)) == 1


def test_the_backlog_of_an_hour_arrives_once_whatever_is_killed_meanwhile(
    settings: CollectorSettings, outbox: Outbox, broker: Mosquitto
) -> None:
    hour = 3600
    ids = append_observations(outbox, hour)
    for rest in (2600, 1500):
        with running_collector(settings), make_publisher(settings, outbox):
            wait_for(lambda rest=rest: outbox.count_waiting() <= rest, 60)  # type: ignore[misc]
            broker.kill()
        broker.start()
        ids |= append_observations(outbox, 1)
    with make_publisher(settings, outbox) as publisher:
        with running_collector(settings):
            wait_for(lambda: outbox.count_waiting() <= 800, 60)
        with running_collector(settings):
            assert publisher.drain(60)
    assert sorted(read_log_ids(settings)) == sorted(ids)


def test_each_row_of_a_batch_is_stored_or_rejected_alone(settings: CollectorSettings, outbox: Outbox) -> None:
    append_observations(outbox, 300)
    with closing(sqlite3.connect(outbox._file.path)) as database, database:
        invalid_payload = "CAST(replace(payload, '\"happy\",', '\"smug\",') AS BLOB)"
        database.execute(f"UPDATE message SET payload = {invalid_payload} WHERE seq % 100 = 7")  # noqa: S608 (a constant)
    with running_collector(settings), make_publisher(settings, outbox) as publisher:
        assert publisher.drain(30)
    with closing(sqlite3.connect(outbox._file.path)) as database:
        rejected = database.execute("SELECT seq, reject_reason FROM message ORDER BY seq").fetchall()
    assert rejected == [(seq, "Invalid enum value 'smug' - at `$.emotion`") for seq in (7, 107, 207)]
    assert len(read_log_ids(settings)) == 297


def test_an_acknowledgement_of_unpublished_numbers_is_ignored(settings: CollectorSettings, outbox: Outbox) -> None:
    append_observations(outbox, 3)
    publisher = make_publisher(settings, outbox)
    publisher._rows.apply_acknowledgement(
        Acknowledgement(outbox=outbox.id, stored=[(1, 2**62)], rejected=[(2, "forged")])
    )
    assert outbox.count_waiting() == 3


def test_the_status_is_online_and_then_stopped(settings: CollectorSettings, outbox: Outbox) -> None:
    events: queue.Queue[Event] = queue.Queue()
    watcher = Connection(
        settings.mqtt,
        client_id="watcher",
        will=Message("watcher", b""),
        subscriptions=["mien/hallway/status"],
        events=events,
    )
    statuses = []
    with watcher:
        assert isinstance(events.get(timeout=15), Connected)
        with make_publisher(settings, outbox):
            statuses.append(events.get(timeout=15))
        statuses.append(events.get(timeout=15))
    texts = [event.payload.decode() for event in statuses if isinstance(event, Received)]
    assert [text.split('"')[3] for text in texts] == ["online", "stopped"]


def test_invalid_messages_on_its_topics_do_not_stop_it(settings: CollectorSettings, outbox: Outbox) -> None:
    events: queue.Queue[Event] = queue.Queue()
    sender = Connection(
        settings.mqtt, client_id="noise", will=Message("noise", b""), subscriptions=["noise"], events=events
    )
    with sender, make_publisher(settings, outbox) as publisher:
        assert isinstance(events.get(timeout=15), Connected)
        for topic in ("mien/hallway/ack", "mien/_collector/collector/status"):
            not_utf8 = f'{{"outbox":"{outbox.id}","rejected":[[1,"'.encode() + b"\xff" + b'"]]}'
            deeply_nested = b'{"x":' + b"[" * 100_000
            empty = encode_acknowledgement(Acknowledgement(outbox=outbox.id))
            for payload in (b"", b"noise", b"\xff", not_utf8, deeply_nested, empty):
                assert sender.publish(Message(topic, payload), wait_s=5)
        ids = append_observations(outbox, 3)
        with running_collector(settings):
            assert publisher.drain(15)
    assert sorted(read_log_ids(settings)) == sorted(ids)


def test_damaged_rows_do_not_block_the_others(settings: CollectorSettings, outbox: Outbox) -> None:
    append_observations(outbox, 120)
    with closing(sqlite3.connect(outbox._file.path)) as database, database:
        database.execute("UPDATE message SET payload = x'00ff'")
    ids = append_observations(outbox, 5)
    with running_collector(settings), make_publisher(settings, outbox) as publisher:
        assert publisher.drain(15)
    assert sorted(read_log_ids(settings)) == sorted(ids)
    with closing(sqlite3.connect(outbox._file.path)) as database:
        query = "SELECT count(*) FROM message WHERE reject_reason IS NOT NULL"
        assert database.execute(query).fetchone() == (120,)


def test_rows_under_a_previous_device_name_do_not_block_the_others(settings: CollectorSettings, outbox: Outbox) -> None:
    append_observations(outbox, 120, device="attic")
    ids = append_observations(outbox, 5)
    with running_collector(settings), make_publisher(settings, outbox) as publisher:
        assert publisher.drain(15)
    assert sorted(read_log_ids(settings)) == sorted(ids)


def test_publishing_continues_after_the_outbox_was_locked(settings: CollectorSettings, outbox: Outbox) -> None:
    ids = append_observations(outbox, 3)
    with outbox._file.connection() as database:
        database.execute("PRAGMA busy_timeout = 50")
    with (
        closing(sqlite3.connect(outbox._file.path, isolation_level=None)) as locking_connection,
        running_collector(settings),
        make_publisher(settings, outbox) as publisher,
    ):
        locking_connection.execute("BEGIN IMMEDIATE")
        wait_for(lambda: len(read_log_ids(settings)) == 3)
        assert not publisher.drain(0.3)
        locking_connection.execute("ROLLBACK")
        assert publisher.drain(30)
    assert sorted(read_log_ids(settings)) == sorted(ids)
