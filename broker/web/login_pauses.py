"""Slows down guessing of the token, without locking out those who know it."""

import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from mien.mqtt.settings import LOOPBACK

from .client_address import to_network

LOG = logging.getLogger(__name__)
FREE_GUESSES = 3
"""Wrong tokens of one address without a pause: people mistype."""
MAX_PAUSE_S = 300.0
FREE_GUESSES_OF_ALL = 30
MAX_PAUSE_OF_ALL_S = 10.0
FORGIVEN_AFTER_S = 900.0
"""Without another wrong token."""
MAX_ADDRESSES = 10_000
LOG_INTERVAL_S = 60.0
LOGGED_ADDRESSES = 3


@dataclass(slots=True)
class Guesses:
    """Wrong tokens of one address, or of all."""

    count: int = 0
    last_s: float = 0.0

    def pause_s(self, now_s: float, *, free: int, max_s: float) -> float:
        """How long to wait still; the pause doubles with each wrong token."""
        if self.count < free:
            return 0.0
        pause_s = min(max_s, 2.0 ** min(self.count - free, 30))
        return max(0.0, self.last_s + pause_s - now_s)


class LoginPauses:
    """Says how long an address has to wait before its next token is looked at.

    After three wrong tokens an address waits 1 s, 2 s, 4 s, at most 300 s. After thirty wrong ones from all addresses
    together, every address waits, at most 10 s: so many addresses can guess no faster than six tokens a minute. That
    does not apply to addresses from which somebody has logged in, nor to this machine, which `ssh -L` reaches. Tokens
    that come too early change nothing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_network: OrderedDict[str, Guesses] = OrderedDict()
        self._all = Guesses()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._unlogged: Counter[str] = Counter()
        self._logged_s: float | None = None

    def pause_s(self, address: str) -> int:
        """Seconds until a token from this address is looked at, rounded up; 0 for now."""
        now_s, network = self._clock(), to_network(address)
        guesses = self._by_network.get(network, Guesses())
        pause_s = guesses.pause_s(now_s, free=FREE_GUESSES, max_s=MAX_PAUSE_S)
        if network not in self._known and address not in LOOPBACK:
            pause_s = max(pause_s, self._all.pause_s(now_s, free=FREE_GUESSES_OF_ALL, max_s=MAX_PAUSE_OF_ALL_S))
        return ceil(pause_s)

    def add_wrong(self, address: str) -> None:
        """A wrong token came from this address."""
        now_s, network = self._clock(), to_network(address)
        guesses = self._by_network.pop(network, Guesses())
        self._by_network[network] = guesses
        for each in (guesses, self._all):
            each.count = 1 + (each.count if now_s - each.last_s < FORGIVEN_AFTER_S else 0)
            each.last_s = now_s
        if len(self._by_network) > MAX_ADDRESSES:
            self._by_network.popitem(last=False)
        self.count_guess(address)

    def add_right(self, address: str) -> None:
        """The token came from this address."""
        network = to_network(address)
        self._by_network.pop(network, None)
        self._known[network] = None
        self._known.move_to_end(network)
        if len(self._known) > MAX_ADDRESSES:
            self._known.popitem(last=False)

    def count_guess(self, address: str) -> None:
        """Count a token that was wrong, or came too early, for the log."""
        self._unlogged[address if len(self._unlogged) < MAX_ADDRESSES else "others"] += 1
        self.log()

    def log(self) -> None:
        """Log what has not been logged, but no more than once a minute."""
        now_s = self._clock()
        if not self._unlogged or (self._logged_s is not None and now_s - self._logged_s < LOG_INTERVAL_S):
            return
        most = self._unlogged.most_common(LOGGED_ADDRESSES)
        listed = ", ".join(f"{count} from {address}" for address, count in most)
        rest = self._unlogged.total() - sum(count for _, count in most)
        others = f", {rest} from {len(self._unlogged) - len(most)} other addresses" if rest else ""
        LOG.warning("wrong or too frequent tokens: %s%s", listed, others)
        self._logged_s = now_s
        self._unlogged.clear()
