"""Messages that wait for the next transaction, because another collector was just writing to their devices."""

import time
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

MAX_DEFERRAL_S = 2.0
"""A device that was deferred for this long is waited for: another transaction lasts for a tenth of a second."""


class HasDevice(Protocol):
    """A message of a device."""

    @property
    def device(self) -> str:
        """The device's name."""


MessageType = TypeVar("MessageType", bound=HasDevice)


class DeferredRows(Generic[MessageType]):
    """Keeps messages from one transaction to the next, and knows since when their devices have been deferred."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._messages: Sequence[MessageType] = ()
        self._since_s: dict[str, float] = {}
        self._monotonic_s = monotonic_s

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def urgent_devices(self) -> set[str]:
        """Those that have been deferred for long enough."""
        now_s = self._monotonic_s()
        return {device for device, since_s in self._since_s.items() if now_s - since_s >= MAX_DEFERRAL_S}

    def take(self) -> Sequence[MessageType]:
        """The messages, which are no longer kept."""
        messages, self._messages = self._messages, ()
        return messages

    def keep(self, messages: Sequence[MessageType]) -> None:
        """Keep these until the next transaction; all other devices are no longer deferred."""
        now_s = self._monotonic_s()
        self._messages = messages
        self._since_s = {message.device: self._since_s.get(message.device, now_s) for message in messages}
