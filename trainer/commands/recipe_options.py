"""The options that set a recipe's fields, generated from the struct: name, type, limits, default and help."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec
import typer
from msgspec import Meta

from mien.errors import UsageError
from mien.settings.struct_fields import field_docstrings
from mien.trainer.recipe import ModelFile, Recipe

Command = TypeVar("Command", bound=Callable[..., None])
FIELDS = {field.name: field for field in msgspec.structs.fields(Recipe)}


def with_recipe_options(command: Command) -> Command:
    """A decorator: the command gets an option for each field of a recipe, in place of its `**` parameter."""
    signature = inspect.signature(command)
    own = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=Annotated[_option_type(field.type), recipe_option(name)],
        )
        for name, field in FIELDS.items()
    ]
    command.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
    return command


def recipe_option(name: str, *, help_text: str | None = None) -> Any:
    """What Typer needs to know of the option that sets a field, with the docstring's first sentence as its help."""
    limits = next((limits for limits in get_args(FIELDS[name].type) if isinstance(limits, Meta)), Meta())
    sentence = field_docstrings(Recipe)[name].partition(". ")[0].rstrip(".")
    choices = f" One of {', '.join(_choices(name))}." if _choices(name) else ""
    return typer.Option(min=limits.ge, max=limits.le, help=help_text or f"{sentence}.{choices}")


def explicit_options(context: typer.Context, values: dict[str, Any]) -> dict[str, Any]:
    """The fields whose options were given on the command line. UsageError if one is not among its field's choices."""
    explicit = {}
    for name, value in values.items():
        source = context.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE":
            continue
        choices = _choices(name)
        if choices and value not in choices:
            verb = "are" if name.endswith("s") else "is"
            raise UsageError(f"there {verb} no {name} {value!r}: choose from {', '.join(choices)}")
        if isinstance(value, Path):
            value = None if value == Path() else str(value)  # '' is none, in place of a recipe's file
        explicit[name] = value
    return explicit


def _option_type(field_type: Any) -> Any:
    """What Typer parses a value as: text for a Literal, otherwise the field's type without its limits."""
    if get_origin(field_type) is Literal:
        return str
    if ModelFile in get_args(field_type):
        return Path | None
    return get_args(field_type)[0] if get_origin(field_type) is Annotated else field_type


def _choices(name: str) -> tuple[str, ...]:
    """The values of a field whose type is a Literal."""
    field_type = FIELDS[name].type
    return get_args(field_type) if get_origin(field_type) is Literal else ()
