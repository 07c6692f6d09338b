"""A collector without a database: it records what arrives, and answers as the test says."""

import queue
import threading
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

from mien.messages.acknowledgement import Acknowledgement, encode_acknowledgement
from mien.messages.batch import decode_batch, is_batch
from mien.messages.envelope import Envelope, decode_envelope
from mien.messages.status import CollectorStatus, encode_collector_status
from mien.messages.topics import Topics
from mien.mqtt.connection import Connection
from mien.mqtt.events import Connected, Event, Message, Received
from mien.mqtt.settings import MqttSettings
from mien.mqtt.timings import ConnectionTimings

TOPICS = Topics("mien")


class RecordingCollector:
    """Subscribes to the observations of all devices; use as a context manager."""

    def __init__(
        self,
        port: int,
        *,
        name: str = "recorder",
        batch: bool = True,
        reads_batches: bool = True,
        reasons: dict[int, str] | None = None,
    ) -> None:
        """`batch`: what its status says. `reads_batches`: whether that is true. `reasons`: the rows that it rejects, by
        `seq`; it stores all others.
        """
        self.messages: list[bytes] = []
        self.is_answering = True
        self._name = name
        self._instance = uuid4()
        self._batch = batch
        self._reads_batches = reads_batches
        self._reasons = reasons or {}
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._connection = Connection(
            MqttSettings(port=port),
            client_id=name,
            will=self._status("offline"),
            subscriptions=[TOPICS.observation("+")],
            events=self._events,
            timings=ConnectionTimings(first_retry_s=0.1),
        )
        self._is_online = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._connection.__enter__()
        self._thread.start()
        assert self._is_online.wait(15)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._events.put(None)
        self._thread.join()
        self._connection.publish(self._status("offline"), wait_s=2.0)
        self._connection.__exit__(kind, error, traceback)

    def rows(self) -> list[Envelope]:
        """Every row in the order of arrival."""
        return [decode_envelope(row) for payload in list(self.messages) for row in _open(payload)]

    def sizes(self) -> list[int]:
        """How many rows each message held."""
        return [len(_open(payload)) for payload in list(self.messages)]

    def _status(self, state: str) -> Message:
        status = CollectorStatus(state=state, instance=self._instance, batch=self._batch)  # type: ignore[arg-type]
        return Message(TOPICS.collector_status(self._name), encode_collector_status(status), retain=True)

    def _run(self) -> None:
        while (event := self._events.get()) is not None:
            match event:
                case Connected():
                    self._connection.publish(self._status("online"))
                    self._is_online.set()
                case Received(topic, payload):
                    self.messages.append(payload)
                    if self.is_answering and (self._reads_batches or not is_batch(payload)):
                        self._answer(TOPICS.device_of(topic), [decode_envelope(row) for row in _open(payload)])

    def _answer(self, device: str, rows: list[Envelope]) -> None:
        by_outbox: dict[UUID, list[int]] = {}
        for row in rows:
            by_outbox.setdefault(row.outbox, []).append(row.seq)
        for outbox, sequences in by_outbox.items():
            answer = Acknowledgement(
                outbox=outbox,
                stored=[(seq, seq) for seq in sequences if seq not in self._reasons],
                rejected=[(seq, self._reasons[seq]) for seq in sequences if seq in self._reasons],
            )
            self._connection.publish(Message(TOPICS.acknowledgement(device), encode_acknowledgement(answer)))


def _open(payload: bytes) -> list[bytes]:
    return decode_batch(payload) if is_batch(payload) else [payload]
