"""Which connections the dashboard holds open: no more than it has files for, and not all of them for one client."""

import logging
import resource
from collections import Counter
from collections.abc import Callable

from mien.mqtt.log_interval import LogInterval

from .client_address import to_network

LOG = logging.getLogger(__name__)
MAX_CONNECTIONS = 1024
MAX_CONNECTIONS_PER_ADDRESS = 256
"""A proxy, or a household behind one address, has that many for all its browsers."""
RESERVED_FILES = 128
"""For the log, the libraries, and connections that have been dropped but not yet closed."""


class Slot:
    """The place of one connection."""

    __slots__ = ("drop", "network")

    def __init__(self, network: str, drop: Callable[[], object]) -> None:
        self.network = network
        self.drop = drop
        """Ends the connection at once."""


class Connections:
    """Gives each connection a slot, if there is one.

    When all are taken, or all of an address, the connection that has gone longest without a complete request is dropped
    for the new one: an honest browser sends its request within milliseconds, and connects again if it was idle.
    """

    def __init__(self, limit: int, limit_per_address: int = MAX_CONNECTIONS_PER_ADDRESS) -> None:
        self._limit = limit
        self._limit_per_address = limit_per_address
        self._by_network: Counter[str] = Counter()
        self._slots: set[Slot] = set()
        self._waiting: dict[Slot, None] = {}  # in the order in which they began to wait
        self._logged = LogInterval()

    def __len__(self) -> int:
        return len(self._slots)

    def admit(self, address: str, drop: Callable[[], object]) -> Slot | None:
        """A slot for a new connection, which waits for its request; None if it has to be refused."""
        network = to_network(address)
        if self._by_network[network] >= self._limit_per_address and not self._make_room(network):
            return None
        if len(self._slots) >= self._limit and not self._make_room():
            return None
        slot = Slot(network, drop)
        self._slots.add(slot)
        self._by_network[network] += 1
        self._waiting[slot] = None
        return slot

    def _make_room(self, network: str | None = None) -> bool:
        """Drop the connection that has waited longest, of this network or of all. False if none waits."""
        oldest = next((slot for slot in self._waiting if network in (None, slot.network)), None)
        if count := self._logged.count(None):
            of_network = network or (oldest.network if oldest else "all addresses")
            LOG.warning("too many connections: %d dropped or refused, the last of %s", count, of_network)
        if oldest is None:
            return False
        self.release(oldest)
        oldest.drop()
        return True

    def serve(self, slot: Slot) -> None:
        """Its request is complete: it is not dropped until `wait`."""
        self._waiting.pop(slot, None)

    def wait(self, slot: Slot) -> None:
        """It has its response, and waits for the next request."""
        if slot in self._slots:
            self._waiting[slot] = None

    def release(self, slot: Slot) -> None:
        """Its connection has ended. May be called again."""
        if slot not in self._slots:
            return
        self._slots.remove(slot)
        self._waiting.pop(slot, None)
        self._by_network[slot.network] -= 1
        if not self._by_network[slot.network]:
            del self._by_network[slot.network]


def connection_limit() -> int:
    """How many connections this process may hold open: fewer than its limit of open files."""
    soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft_limit == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, soft_limit - RESERVED_FILES))
