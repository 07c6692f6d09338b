"""Limits the memory of this process while it runs SQL that a user wrote."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mien.errors import UsageError

SQL_MEMORY_BYTES = 2 * 1024**3


@contextmanager
def limited_memory(limit_bytes: int = SQL_MEMORY_BYTES) -> Iterator[None]:
    """Let this process allocate that much more. UsageError if it is too little.

    Not even a cursor on the server protects a client from one row of a gigabyte.
    """
    used_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    lower = [limit for limit in limits if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([used_bytes + limit_bytes, *lower]), limits[1]))
    try:
        yield
    except MemoryError as error:
        raise UsageError("the result of this SQL is too large: select fewer rows or columns") from error
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
