"""How many may ask the log at once: whoever asks must not keep the collector from writing."""

from typing import Any

from sqlalchemy.pool import QueuePool

AT_ONCE = 4
WAIT_S = 5.0
"""How long a question waits for its turn."""
RECYCLE_S = 60
"""A connection is not kept for longer, so that a file put in the log's place is found."""

READERS: dict[str, Any] = {
    "poolclass": QueuePool,
    "pool_size": AT_ONCE,
    "max_overflow": 0,
    "pool_timeout": WAIT_S,
    "pool_recycle": RECYCLE_S,
}
"""For create_engine."""
