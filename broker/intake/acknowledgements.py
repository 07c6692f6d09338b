"""The acknowledgements of a committed batch, by device and outbox."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from uuid import UUID

from mien.messages.acknowledgement import Acknowledgement, encode_acknowledgements
from mien.messages.topics import Topics
from mien.mqtt.events import Message
from mien.sequence_ranges import to_ranges


class Acknowledgements:
    """Collects which numbers of which outboxes were stored or rejected."""

    def __init__(self) -> None:
        self._stored: defaultdict[tuple[str, UUID], set[int]] = defaultdict(set)
        self._rejected: defaultdict[tuple[str, UUID], dict[int, str]] = defaultdict(dict)

    def add(self, device: str, outbox: UUID, seq: int, reason: str | None) -> None:
        """A number that was stored, or rejected for a reason."""
        if reason is None:
            self._stored[device, outbox].add(seq)
        else:
            self._rejected[device, outbox][seq] = reason

    def to_messages(self, topics: Topics, max_payload_bytes: Callable[[str], int]) -> Iterator[Message]:
        """Acknowledgements, none larger than `max_payload_bytes` of its topic."""
        for device, outbox in self._stored.keys() | self._rejected.keys():
            acknowledgement = Acknowledgement(
                outbox=outbox,
                stored=to_ranges(self._stored.get((device, outbox), ())),
                rejected=sorted(self._rejected.get((device, outbox), {}).items()),
            )
            topic = topics.acknowledgement(device)
            for payload in encode_acknowledgements(acknowledgement, max_payload_bytes(topic)):
                yield Message(topic, payload, at_most_once=True)  # a lost one is asked for: the row is sent again
