"""The sessions of people who have logged in: any of them can be ended."""

import hashlib
import secrets
import time
from collections.abc import Callable

SESSION_S = 30 * 86_400
MAX_SESSIONS = 1000
"""Open at once; a further login ends the oldest."""


class Sessions:
    """Kept in memory only: a restart of the dashboard, with the same token or another one, ends all of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends_s: dict[bytes, float] = {}  # in the order in which they end

    def open(self) -> str:
        """Begin a session; the secret that its cookie carries."""
        secret = secrets.token_urlsafe(32)
        while len(self._ends_s) >= MAX_SESSIONS:
            del self._ends_s[next(iter(self._ends_s))]
        self._ends_s[_hash(secret)] = self._clock() + SESSION_S
        return secret

    def is_open(self, secret: str) -> bool:
        """Whether a cookie's secret is that of a session that has not ended."""
        return self._ends_s.get(_hash(secret), 0.0) > self._clock()

    def end(self, secret: str) -> None:
        """End a session, if there is one of that secret."""
        self._ends_s.pop(_hash(secret), None)


def _hash(secret: str) -> bytes:
    """What is compared: how long that takes says nothing about the secret."""
    return hashlib.sha256(secret.encode()).digest()
