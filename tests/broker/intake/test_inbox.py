"""The connection's threads never wait for the collector, and nothing that they leave grows without limit."""

import threading

from mien.broker.intake.inbox import MAX_STATE_BYTES, MAX_STATES, Inbox
from mien.messages.topics import Topics
from mien.mqtt.events import Connected, Disconnected, Received


def test_rows_and_other_messages_are_kept_apart() -> None:
    inbox = Inbox(Topics())
    inbox.put(Received("mien/hallway/observation", b"{}"))
    inbox.put(Disconnected("the connection ended"))
    inbox.put(Connected())
    inbox.put(Received("mien/hallway/health", b"old"))
    inbox.put(Received("mien/hallway/health", b"new"))
    assert inbox.waiting_rows == 1
    assert inbox.take_events() == [
        Disconnected("the connection ended"),
        Connected(),
        Received("mien/hallway/health", b"new"),
    ]
    assert inbox.take_events() == []
    assert [(row.device, row.payload) for row in inbox.take_rows(10)] == [("hallway", b"{}")]


def test_it_wakes_up_whoever_waits() -> None:
    inbox = Inbox(Topics())
    assert not inbox.wait(0.01)
    timer = threading.Timer(0.05, inbox.put, [Connected()])
    timer.start()
    assert inbox.wait(10.0)
    inbox.take_events()
    assert not inbox.wait(0.01)
    inbox.put(Received("mien/hallway/observation", b"1"))
    inbox.put(Received("mien/hallway/observation", b"2"))
    inbox.take_events()
    inbox.take_rows(1)
    assert inbox.wait(0.0)  # the second row


def test_messages_that_are_too_large_or_too_many_are_left_out() -> None:
    inbox = Inbox(Topics())
    inbox.put(Received("mien/hallway/health", b"." * (MAX_STATE_BYTES + 1)))
    assert inbox.take_events() == []
    for number in range(2 * MAX_STATES):
        inbox.put(Received(f"mien/device-{number}/health", b"1"))
    inbox.put(Received("mien/device-0/health", b"2"))
    events = inbox.take_events()
    assert len(events) == MAX_STATES
    assert events[0] == Received("mien/device-0/health", b"2")
