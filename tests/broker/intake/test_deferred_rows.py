"""What waits because another collector is writing to its device."""

from dataclasses import dataclass

from mien.broker.intake.deferred_rows import MAX_DEFERRAL_S, DeferredRows


@dataclass(frozen=True)
class Message:
    device: str


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_messages_are_kept_until_they_are_taken() -> None:
    deferred = DeferredRows[Message]()
    deferred.keep([Message("hallway"), Message("hallway"), Message("cellar")])
    assert len(deferred) == 3
    assert deferred.take() == [Message("hallway"), Message("hallway"), Message("cellar")]
    assert len(deferred) == 0


def test_a_device_is_urgent_once_it_was_deferred_for_two_seconds_without_a_break() -> None:
    clock = Clock()
    deferred = DeferredRows[Message](clock)
    deferred.keep([Message("hallway"), Message("cellar")])
    clock.now_s = MAX_DEFERRAL_S / 2
    deferred.keep([Message("hallway")])  # the cellar was stored
    deferred.keep([Message("hallway"), Message("cellar")])
    clock.now_s = MAX_DEFERRAL_S
    assert deferred.urgent_devices == {"hallway"}
    deferred.keep([])
    assert deferred.urgent_devices == set()
