"""The state of each collector that writes the log."""

from datetime import datetime, tzinfo
from typing import Annotated, Literal

from msgspec import Meta
from sqlalchemy import Engine, select

from mien.broker.database.encoding import to_datetime
from mien.broker.database.engine import read_transaction
from mien.broker.database.schema import collector_state
from mien.broker.row import Row, column_types

from .result import Result


class CollectorRow(Row, frozen=True, kw_only=True):
    """The state of a collector, as it last wrote it into the log."""

    collector: str
    state: Annotated[Literal["online", "busy", "offline"], Meta(description="busy: it stores nothing for now.")]
    reason: Annotated[str, Meta(description="Why it is busy: `database` or `clock`; empty if it is not.")]
    reported_at: datetime


def list_collectors(engine: Engine, *, zone: tzinfo | None) -> Result[CollectorRow]:
    """A row for each collector, by name. Errors as for `read_transaction`."""
    with read_transaction(engine) as connection:
        rows = [
            CollectorRow(
                collector=row.name,
                state=row.state,
                reason=row.reason,
                reported_at=to_datetime(row.received_ms, zone),
            )
            for row in connection.execute(select(collector_state).order_by(collector_state.c.name))
        ]
    return Result(rows, column_types(CollectorRow), zone=zone)
