"""An answer of the log as plain rows, or as a frame of the library that one works with."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import TYPE_CHECKING, Any, overload

from mien.errors import MissingExtra

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


class Rows(Sequence[dict[str, Any]]):
    """Dictionaries with the same keys, in order; in frames each key is a column, also where there are no rows."""

    def __init__(
        self,
        rows: Sequence[dict[str, Any]],
        zone: tzinfo | None = None,
        *,
        columns: Mapping[str, type] | None = None,
        source: str = "the rows",
    ) -> None:
        self._rows = rows
        self._zone = zone
        self._columns = columns
        self.source = source
        """What answered, in words: the rows, or the counts that are kept of them."""

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[dict[str, Any]]: ...
    def __getitem__(self, place: int | slice) -> dict[str, Any] | Sequence[dict[str, Any]]:
        return self._rows[place]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._rows)

    def __repr__(self) -> str:
        return f"<{len(self)} rows from {self.source}>"

    def to_arrow(self) -> "pa.Table":
        """A pyarrow.Table; moments in milliseconds, of the log's time zone where it has a name, else UTC.

        MissingExtra without pyarrow.
        """
        return arrow_table(self._rows, self._zone, self._columns)

    def to_pandas(self) -> "pd.DataFrame":
        """A pandas.DataFrame with the types of `to_arrow`. MissingExtra without pandas or pyarrow."""
        try:
            import pandas as pd  # noqa: F401 (asked for now, for a clear answer)
        except ImportError as error:
            raise MissingExtra("this needs pandas: pip install pandas") from error
        return self.to_arrow().to_pandas()

    def to_polars(self) -> "pl.DataFrame":
        """A polars.DataFrame with the types of `to_arrow`. MissingExtra without polars or pyarrow."""
        try:
            import polars as pl
        except ImportError as error:
            raise MissingExtra("this needs polars: pip install polars") from error
        return pl.DataFrame(self.to_arrow())


def arrow_table(
    rows: Sequence[dict[str, Any]], zone: tzinfo | None, columns: Mapping[str, type] | None = None
) -> "pa.Table":
    """Rows as a pyarrow.Table; see `Rows.to_arrow`. `columns` says what is known of them where no value does."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtra("this needs pyarrow: pip install 'mien[arrow]'") from error
    moments = pa.timestamp("ms", tz=getattr(zone, "key", "UTC"))
    kinds: dict[type, Any] = {
        datetime: moments, date: pa.date32(), str: pa.string(), int: pa.int64(),
        float: pa.float64(),
    }  # fmt: skip
    known = columns or {}
    table = {}
    for name in rows[0] if rows else known:
        values = [row[name].astimezone(UTC) if isinstance(row[name], datetime) else row[name] for row in rows]
        kind = next((type(value) for value in values if value is not None), known.get(name, type(None)))
        table[name] = pa.array(values, type=kinds.get(kind))
    return pa.table(table)
