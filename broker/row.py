"""A row of a query's result: a frozen struct whose fields are the columns."""

import types
import typing
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Struct


class Row(Struct, frozen=True, gc=False):
    """What all rows have in common; each kind of row is a subclass."""

    def to_dict(self) -> dict[str, Any]:
        """The row as a dictionary, in the order of its columns."""
        return msgspec.structs.asdict(self)


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
