"""Logging to stderr; under systemd, each line begins with its level for the journal (sd-daemon(3))."""

import logging
import os
import sys
from contextlib import suppress

PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""syslog's priorities, which `journalctl -p warning` filters by."""


class JournalFormatter(logging.Formatter):
    """Prefixes each line, including those of a traceback, with its syslog priority; the journal adds the time."""

    def format(self, record: logging.LogRecord) -> str:
        priority = PRIORITIES.get(record.levelno, 6)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def log_to_stderr() -> None:
    """Log messages of level INFO and above to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    if _is_journal():
        handler.setFormatter(JournalFormatter("%(name)s: %(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)


def _is_journal() -> bool:
    """Whether stderr is connected to the journal, by its device and inode (systemd.exec(5), JOURNAL_STREAM)."""
    with suppress(OSError, ValueError, AttributeError):
        stream = os.fstat(sys.stderr.fileno())
        return os.environ.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"
    return False
