"""The fields of a settings struct: their types and the docstrings under them."""

import ast
import functools
import inspect
import textwrap
import types
import typing
from typing import Any, TypeGuard, cast

import msgspec
from msgspec import Struct


def field_types(struct: type[Struct]) -> dict[str, Any]:
    """The type annotation of each field, with the struct's own fields before those that it inherits."""
    annotations = {field.name: field.type for field in msgspec.structs.fields(struct)}
    inherited = [name for base in struct.__bases__ if is_struct(base) for name in field_types(base)]
    own = [name for name in annotations if name not in inherited]
    return {name: annotations[name] for name in [*own, *inherited]}


def table_types(annotation: Any) -> tuple[type[Struct], ...]:
    """The structs that a field accepts as a table of the TOML file: one, or one for each kind; none if not a table."""
    is_union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    choices = typing.get_args(annotation) if is_union else (annotation,)
    return tuple(choice for choice in choices if is_struct(choice))


def is_struct(annotation: Any) -> TypeGuard[type[Struct]]:
    """Whether a type is a struct."""
    return isinstance(annotation, type) and issubclass(annotation, Struct)


@functools.cache
def field_docstrings(struct: type[Struct]) -> dict[str, str]:
    """The docstring under each field, as one line; read from the source, since Python does not keep it."""
    docstrings: dict[str, str] = {}
    for base in reversed([base for base in struct.__mro__ if is_struct(base) and base is not Struct]):
        definition = cast(ast.ClassDef, ast.parse(textwrap.dedent(inspect.getsource(base))).body[0])
        for field, text in zip(definition.body, definition.body[1:], strict=False):
            match field, text:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(value))):
                    docstrings[name] = inspect.cleandoc(value).replace("\n", " ")
    return docstrings
