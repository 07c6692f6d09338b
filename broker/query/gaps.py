"""Gaps in the log: sequence numbers that a device has counted but no longer holds, and that were never acknowledged."""

from sqlalchemy import Engine

from mien.broker.database.engine import read_transaction
from mien.broker.database.gaps import find_gaps
from mien.broker.row import Row, column_types

from .result import Result


class GapRow(Row, frozen=True):
    """Consecutive numbers that are missing from one outbox."""

    device: str
    outbox: str
    """The outbox's UUID."""
    first: int
    last: int
    """Inclusive."""


def list_gaps(engine: Engine) -> Result[GapRow]:
    """All gaps, by device, outbox and number. Errors as for `read_transaction`."""
    with read_transaction(engine) as connection:
        gaps = find_gaps(connection)
    rows = [
        GapRow(device, outbox, first, last)
        for device, ranges_by_outbox in sorted(gaps.items())
        for outbox, ranges in ranges_by_outbox.items()
        for first, last in ranges
    ]
    return Result(rows, column_types(GapRow))
