"""Who may look: one browser, which presents a token that works once and then has a secret of its own."""

import hmac
import secrets
import threading

TOKEN_BYTES = 16
"""128 bits, in an address that a phone's camera still reads off a terminal."""


class Session:
    """A token that `open` exchanges once."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        """Of the address that is printed."""
        self._secret: str | None = None
        self._lock = threading.Lock()

    @property
    def is_taken(self) -> bool:
        """Whether the token has been exchanged."""
        return self._secret is not None

    def open(self, token: str) -> str | None:
        """Exchange the token for a secret to keep in a cookie; None if it is wrong, or void since it has been used."""
        with self._lock:
            is_right = hmac.compare_digest(token.encode(), self.token.encode())
            if self._secret is not None or not is_right:
                return None
            self._secret = secrets.token_urlsafe(32)
            return self._secret

    def is_open(self, secret: str) -> bool:
        """Whether this is the secret that the token was exchanged for."""
        expected = self._secret
        return expected is not None and hmac.compare_digest(secret.encode(), expected.encode())
