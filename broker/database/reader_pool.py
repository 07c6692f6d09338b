"""Limits how many queries read the log at once, so that readers do not slow down the collector."""

from typing import Any

from sqlalchemy.pool import QueuePool

MAX_READERS = 4
WAIT_S = 5.0
"""How long a query waits for a free connection."""
RECYCLE_S = 60
"""The maximum age of a connection, so that a file that replaces the log is noticed."""

READER_POOL_OPTIONS: dict[str, Any] = {
    "poolclass": QueuePool,
    "pool_size": MAX_READERS,
    "max_overflow": 0,
    "pool_timeout": WAIT_S,
    "pool_recycle": RECYCLE_S,
}
"""Arguments of `create_engine`."""
