"""Acknowledgements list exactly what was added, in messages that fit."""

from uuid import uuid4

from mien.broker.intake.acknowledgements import Acknowledgements
from mien.messages.acknowledgement import decode_acknowledgement
from mien.messages.topics import Topics


def test_each_outbox_of_each_device_is_answered_on_its_device_s_topic() -> None:
    hallway, kitchen = uuid4(), uuid4()
    acknowledgements = Acknowledgements()
    for seq in (1, 2, 3, 7):
        acknowledgements.add("hallway", hallway, seq, None)
    acknowledgements.add("hallway", hallway, 5, "erased")
    acknowledgements.add("kitchen", kitchen, 1, "body")
    messages = {message.topic: message for message in acknowledgements.to_messages(Topics(), lambda _topic: 10_000)}
    assert set(messages) == {"mien/hallway/ack", "mien/kitchen/ack"}
    acknowledgement = decode_acknowledgement(messages["mien/hallway/ack"].payload)
    assert (acknowledgement.outbox, acknowledgement.stored) == (hallway, [(1, 3), (7, 7)])
    assert acknowledgement.rejected == [(5, "erased")]
    assert decode_acknowledgement(messages["mien/kitchen/ack"].payload).rejected == [(1, "body")]


def test_a_long_answer_is_split_for_a_broker_that_takes_only_short_messages() -> None:
    outbox = uuid4()
    acknowledgements = Acknowledgements()
    for seq in range(1, 1000, 2):
        acknowledgements.add("hallway", outbox, seq, None if seq % 3 else f"the reason of {seq}, {'long ' * 100}")
    messages = list(acknowledgements.to_messages(Topics(), lambda _topic: 1000))
    assert all(len(message.payload) <= 1000 for message in messages)
    decoded = [decode_acknowledgement(message.payload) for message in messages]
    stored = {first for one in decoded for first, _ in one.stored}
    rejected = {seq for one in decoded for seq, _ in one.rejected}
    assert stored | rejected == set(range(1, 1000, 2))
    assert not stored & rejected
