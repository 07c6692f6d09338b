"""A row of a query's result: a frozen struct whose fields are the columns."""

import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Annotated, Any, Generic, Literal, TypeVar, overload

import msgspec
from msgspec import Struct


class Row(Struct, frozen=True, gc=False):
    """What all rows have in common; each kind of row is a subclass."""

    def to_dict(self) -> dict[str, Any]:
        """The row as a dictionary, in the order of its columns."""
        return msgspec.structs.asdict(self)


RowType = TypeVar("RowType", bound=Row, covariant=True)


class ColumnRows(Sequence[RowType], Generic[RowType]):
    """Rows that are kept as columns, as a data frame needs them, and made once somebody reads one of them."""

    def __init__(self, make_row: Callable[..., RowType], columns: Mapping[str, Sequence[Any]]) -> None:
        """`make_row` gets the values of all columns, in order."""
        self._make_row = make_row
        self.columns = columns
        """The values of each column, all equally many."""

    @overload
    def __getitem__(self, index: int) -> RowType: ...
    @overload
    def __getitem__(self, index: slice) -> "ColumnRows[RowType]": ...
    def __getitem__(self, index: int | slice) -> "RowType | ColumnRows[RowType]":
        if isinstance(index, slice):
            return ColumnRows(self._make_row, {name: values[index] for name, values in self.columns.items()})
        return self._rows[index]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __iter__(self) -> Iterator[RowType]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        return self._rows == (other._rows if isinstance(other, ColumnRows) else other)

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def _rows(self) -> list[RowType]:
        return list(map(self._make_row, *self.columns.values()))


@cache
def column_annotations(row_type: type[Row]) -> dict[str, Any]:
    """The annotation of each column."""
    return typing.get_type_hints(row_type, include_extras=True)


@cache
def column_types(row_type: type[Row]) -> dict[str, type]:
    """The Python type of each column's values: the same for a column whose values may be missing."""
    return {name: _value_type(annotation) for name, annotation in column_annotations(row_type).items()}


def _value_type(annotation: Any) -> type:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _value_type(arguments[0])
    if origin is Literal:
        return type(arguments[0])
    if origin in (typing.Union, types.UnionType):
        (value,) = (argument for argument in arguments if argument is not types.NoneType)
        return _value_type(value)
    return typing.cast(type, annotation)
