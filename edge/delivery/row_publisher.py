"""Publishes the rows of an outbox until they are acknowledged: one by one in real time, in batches to catch up."""

import logging
from collections.abc import Iterator

import msgspec

from mien.messages.acknowledgement import ERASED, Acknowledgement
from mien.messages.envelope import decode_envelope
from mien.mqtt.connection import Connection
from mien.mqtt.events import Message

from .batching import BatchPacker, Row, RowMessage
from .in_flight import MAX_IN_FLIGHT, InFlight
from .outbox import Outbox
from .timings import PublisherTimings

MAX_MESSAGES_IN_FLIGHT = 100
"""Rows in flight if each is a message of its own: an MQTT broker may queue no more than a thousand for a collector."""
MAX_ROWS_ONE_BY_ONE = 10
"""When more rows are due at once, they are sent in batches."""
MAX_LOGGED_REJECTS = 10

log = logging.getLogger(__name__)


class RowPublisher:
    """The rows in flight between an outbox and a collector; used by one thread."""

    def __init__(self, outbox: Outbox, connection: Connection, *, topic: str, timings: PublisherTimings) -> None:
        self.in_flight = InFlight(first_resend_s=timings.first_resend_s, max_resend_s=timings.max_resend_s)
        self._outbox = outbox
        self._outbox_id = outbox.id
        self._connection = connection
        self._topic = topic
        self._retry_s = timings.retry_s
        self._packer = BatchPacker()
        self._read_seq = 0
        """The last row that was read: each row is read once for its first attempt, and again only to resend it."""
        self._logged_limit_bytes = -1
        """The size limit for which a row that exceeds it has been logged."""

    def publish(self, now_s: float, *, accepts_batches: bool) -> float:
        """Publish what is due, oldest first. Returns when to do so again; math.inf: after the next change."""
        if self._outbox.id != self._outbox_id:  # the file was corrupt and is a new one, which starts counting at 1
            self._outbox_id = self._outbox.id
            self.in_flight.clear()
            self._read_seq = 0
        max_in_flight = MAX_IN_FLIGHT if accepts_batches else MAX_MESSAGES_IN_FLIGHT
        due = self._read_due(now_s)
        limit = max(0, max_in_flight - len(self.in_flight))
        read = self._outbox.read_publishable(limit, after_seq=self._read_seq) if limit else []
        new = self._reject_damaged([row for row in read if row[0] not in self.in_flight])
        limit_bytes = self._connection.max_payload_bytes(self._topic)
        rows = [row for row in sorted(due + new) if self._fits(row, limit_bytes)]
        for message in self._divide(rows, limit_bytes, accepts_batches=accepts_batches):
            if not self._connection.publish(Message(self._topic, message.payload)):
                return now_s + self._retry_s
            self.in_flight.add(message.sequences, now_s)
        if read:
            self._read_seq = read[-1][0]
        if limit and len(read) == limit and len(self.in_flight) < max_in_flight:
            return now_s  # some of the rows did not have to be sent: there may be more
        return self.in_flight.next_due_s()

    def read_again_from(self, seq: int) -> None:
        """Rows from there on may have become publishable since they were read; those in flight are not sent again."""
        self._read_seq = min(self._read_seq, seq - 1)

    def resend_everything(self) -> None:
        """Whatever was on its way may be lost, and the MQTT broker may accept what it has refused."""
        self.in_flight.make_all_due()
        self.read_again_from(1)

    def apply_acknowledgement(self, acknowledgement: Acknowledgement) -> None:
        """Delete or keep the rows that it lists. It is ignored for rows that are not in flight."""
        if acknowledgement.outbox != self._outbox.id:
            return
        stored = self.in_flight.find_in(acknowledgement.stored)
        erased: list[int] = []
        rejected: list[tuple[int, str]] = []
        for seq, reason in acknowledgement.rejected:
            if seq in self.in_flight:
                if reason == ERASED:
                    erased.append(seq)
                else:
                    rejected.append((seq, reason))
        if not (stored or erased or rejected):
            return
        for seq, reason in rejected[:MAX_LOGGED_REJECTS]:
            log.error("the collector rejected observation %d: %s", seq, reason)
        if len(rejected) > MAX_LOGGED_REJECTS:
            log.error("the collector rejected %d observations more", len(rejected) - MAX_LOGGED_REJECTS)
        self._outbox.apply_acknowledgement(stored=stored, erased=erased, rejected=rejected)
        if erased:
            log.warning("%d observations have been erased at the collector: erased them here, too", len(erased))
        self.in_flight.discard([*stored, *erased, *(seq for seq, _ in rejected)])

    def _read_due(self, now_s: float) -> list[Row]:
        """The rows in flight that are due again, as far as the outbox still has them."""
        sequences = self.in_flight.find_due(now_s)
        if not sequences:
            return []
        rows = self._outbox.read_unacknowledged(sequences)
        self.in_flight.discard(set(sequences).difference(seq for seq, _ in rows))
        return rows

    def _reject_damaged(self, rows: list[Row]) -> list[Row]:
        """The rows that a collector could acknowledge; the others are kept as rejected."""
        damages = [(seq, damage) for seq, payload in rows if (damage := _find_damage(payload))]
        if not damages:
            return rows
        for seq, damage in damages[:MAX_LOGGED_REJECTS]:
            log.error("observation %d in the outbox is damaged: %s", seq, damage)
        if len(damages) > MAX_LOGGED_REJECTS:
            log.error("%d observations more in the outbox are damaged", len(damages) - MAX_LOGGED_REJECTS)
        self._outbox.mark_rejected(damages)
        damaged = {seq for seq, _ in damages}
        return [row for row in rows if row[0] not in damaged]

    def _fits(self, row: Row, limit_bytes: int) -> bool:
        """Whether the MQTT broker accepts a message of this size; otherwise it waits for another broker or limit."""
        seq, payload = row
        if len(payload) <= limit_bytes:
            return True
        self.in_flight.discard([seq])
        if self._logged_limit_bytes != limit_bytes:
            self._logged_limit_bytes = limit_bytes
            log.error(
                "observation %d has %d bytes, but the MQTT broker accepts only %d: raise its limit on the size of a "
                "packet (mosquitto: max_packet_size); until then this one and others like it wait in the outbox",
                seq,
                len(payload),
                limit_bytes,
            )
        return False

    def _divide(self, rows: list[Row], limit_bytes: int, *, accepts_batches: bool) -> Iterator[RowMessage]:
        """The messages to send: batches if many rows are due at once, otherwise one for each row."""
        together = [row for row in rows if not self.in_flight.goes_alone(row[0])]
        if not accepts_batches or len(together) <= MAX_ROWS_ONE_BY_ONE:
            together = []
        batched = {seq for seq, _ in together}
        for seq, payload in rows:
            if seq not in batched:
                yield RowMessage([seq], payload)
        yield from self._packer.pack(together, limit_bytes)


def _find_damage(payload: bytes) -> str:
    """Why no collector could acknowledge a row; empty if nothing is wrong with it."""
    try:
        decode_envelope(payload)
    except msgspec.DecodeError as error:
        return str(error)
    return ""
