"""The result of a query: typed rows, which also become dictionaries or a data frame."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, TypeVar, overload

from mien.broker.row import ColumnRows, Row
from mien.errors import MissingExtra

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

RowType = TypeVar("RowType", bound=Row | dict[str, Any], covariant=True)


class Result(Sequence[RowType]):
    """Rows of one kind; a data frame has all their columns even if there are no rows.

    >>> counts = log.counts("emotion")
    >>> counts[0].emotion, counts[0].observations
    ('happy', 2)
    >>> counts.to_dicts()
    [{'emotion': 'happy', 'observations': 2, 'share': 1.0, 'mean_confidence': 0.7}]
    """

    def __init__(
        self,
        rows: Sequence[RowType],
        columns: Mapping[str, type | None],
        *,
        zone: tzinfo | None = None,
        source: str = "rows",
    ) -> None:
        self.rows = rows
        self.columns = columns
        """The types of the values by the names of the columns, in order; None where the database does not know it."""
        self.source = source
        """What the result was computed from, in English: the rows of observations, or the quarter-hour counts."""
        self._zone = zone

    @overload
    def __getitem__(self, index: int) -> RowType: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RowType]: ...
    def __getitem__(self, index: int | slice) -> RowType | Sequence[RowType]:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[RowType]:
        return iter(self.rows)

    def __repr__(self) -> str:
        return f"<Result: {len(self)} rows; source: {self.source}>"

    def to_dicts(self) -> list[dict[str, Any]]:
        """The rows as dictionaries, with the columns in order."""
        names = list(self.columns)
        return [dict(zip(names, values, strict=True)) for values in zip(*self._column_values(), strict=True)]

    def to_arrow(self) -> "pa.Table":
        """A pyarrow.Table; times have milliseconds and the log's time zone if that has a name, else UTC.

        MissingExtra without pyarrow.
        """
        try:
            import pyarrow as pa
        except ImportError as error:
            raise MissingExtra("this needs pyarrow: pip install 'mien[arrow]'") from error
        arrow_types: dict[type | None, Any] = {
            datetime: pa.timestamp("ms", tz=getattr(self._zone, "key", "UTC")),
            date: pa.date32(),
            str: pa.string(),
            int: pa.int64(),
            float: pa.float64(),
            bool: pa.bool_(),
        }
        arrays = {}
        for (name, declared_type), values in zip(self.columns.items(), self._column_values(), strict=True):
            value_type = declared_type or next((type(value) for value in values if value is not None), None)
            if value_type is datetime:
                values = [None if value is None else value.astimezone(UTC) for value in values]
            arrays[name] = pa.array(values, type=arrow_types.get(value_type))
        return pa.table(arrays)

    def to_pandas(self) -> "pd.DataFrame":
        """A pandas.DataFrame with the types of `to_arrow`. MissingExtra without pandas or pyarrow."""
        try:
            import pandas as pd  # noqa: F401 (imported only to raise a clear error)
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

    def _column_values(self) -> list[Sequence[Any]]:
        """The values of each column."""
        if isinstance(self.rows, ColumnRows):
            return [self.rows.columns[name] for name in self.columns]
        is_dict = bool(self.rows) and isinstance(self.rows[0], dict)
        getters: list[Callable[[Any], Any]]
        getters = [itemgetter(name) if is_dict else attrgetter(name) for name in self.columns]
        return [list(map(getter, self.rows)) for getter in getters]
