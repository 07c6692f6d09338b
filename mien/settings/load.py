"""Reads a program's TOML file into its frozen settings struct; an unknown key or a wrong type is an error."""

import difflib
import re
import tomllib
import typing
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from mien.errors import ConfigurationError
from mien.files.text_file import read_text
from mien.settings.struct_fields import field_docstrings, field_types, table_types
from mien.settings.tagged_union import TaggedUnion, tag_of

MIN_SIMILARITY = 0.5
"""Similarity ratio, of 1, below which a key is not taken for a misspelling of another one."""
MISSING_FIELD = re.compile(r"Object missing required field `(.+)`")
"""Of msgspec's errors."""

SettingsType = TypeVar("SettingsType", bound=Struct)


def load_settings(path: Path, settings_type: type[SettingsType]) -> SettingsType:
    """Read a program's settings. ConfigurationError names the file, the key and the fix."""
    if not path.exists():
        raise ConfigurationError(f"{path} does not exist: name the configuration file with --config")
    try:
        values = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
    return to_settings(values, settings_type, source=str(path))


def to_settings(values: dict[str, Any], settings_type: type[SettingsType], *, source: str) -> SettingsType:
    """Settings from plain values. ConfigurationError as for `load_settings`; its line begins with `source`."""
    values = _check_keys(values, settings_type, source)
    try:
        return msgspec.convert(values, settings_type)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$.")
        key = path.removesuffix("`")
        location = f"{key}: " if key else ""
        if missing := MISSING_FIELD.fullmatch(problem):
            problem = f"{missing[1]} is not set"
            key = f"{key}.{missing[1]}" if key else missing[1]
        raise ConfigurationError(f"{source}: {location}{problem}{_hint(values, settings_type, key)}") from error


def _check_keys(
    values: dict[str, Any],
    struct: type[Struct],
    source: str,
    *,
    table: str = "",
    union: TaggedUnion | None = None,
) -> dict[str, Any]:
    """The values, with the default kind in each table that names none. ConfigurationError at the first unknown key.

    `table` is the name of the table that holds the values, and `union` what it is a kind of; empty and None at the top.
    """
    known = [*([union.tag_field] if union else []), *field_types(struct)]
    prefix = f"{table}." if table else ""
    completed = {}
    for key, value in _rename_former_keys(values, struct).items():
        if key not in known:
            other_kind = union and _other_kind_hint(union, tag_of(struct), key)
            hint = other_kind or _misspelling_hint(key, known, prefix)
            raise ConfigurationError(f"{source}: unknown key {prefix}{key}: {hint}")
        completed[key] = _check_table(value, struct, key, source) if isinstance(value, dict) else value
    return completed


def _rename_former_keys(values: dict[str, Any], struct: type[Struct]) -> dict[str, Any]:
    """The values under today's names: FORMER_KEYS of the struct has those of earlier releases, with former values."""
    former: dict[str, tuple[str, dict[Any, Any]]] = getattr(struct, "FORMER_KEYS", {})
    renamed = {}
    for key, value in values.items():
        name, choices = former.get(key, (key, {}))
        if name == key or name not in values:
            renamed[name] = choices.get(value, value) if isinstance(value, Hashable) else value
    return renamed


def _check_table(values: dict[str, Any], struct: type[Struct], name: str, source: str) -> dict[str, Any]:
    union = TaggedUnion.of(struct, name)
    if union is None:
        tables = table_types(field_types(struct)[name])
        return _check_keys(values, tables[0], source, table=name) if tables else values
    kind = union.kind_of(values)
    if kind not in list(union.kinds):
        problem = f"Invalid enum value {kind!r}: choose from {', '.join(union.kinds)}"
        raise ConfigurationError(f"{source}: {name}.{union.tag_field}: {problem}")
    return _check_keys(values | {union.tag_field: kind}, union.kinds[kind], source, table=name, union=union)


def _other_kind_hint(union: TaggedUnion, kind: str, key: str) -> str:
    """Which other kinds of the table have the key; empty if none has."""
    others = [f'"{name}"' for name in union.kinds_with(key)]
    if not others:
        return ""
    subject = f"{union.tag_field} {others[0]} has"
    if len(others) > 1:
        subject = f"{union.tag_field}s {', '.join(others[:-1])} and {others[-1]} have"
    return f'{union.tag_field} "{kind}" has no {key}, {subject}'


def _misspelling_hint(key: str, known: Sequence[str], prefix: str) -> str:
    """The names that a mistyped key may stand for, the most similar one or several if they tie; or else all names."""
    similarity = {name: difflib.SequenceMatcher(None, name, key).ratio() for name in known}
    best = max(similarity.values())
    similar = [f"{prefix}{name}" for name, ratio in similarity.items() if ratio == best >= MIN_SIMILARITY]
    return f"did you mean {' or '.join(similar)}?" if similar else f"known keys: {', '.join(known)}"


def _hint(values: dict[str, Any], struct: type[Struct], key: str) -> str:
    """What a key accepts: its choices, or else the first sentence of its docstring; empty if unknown or a table."""
    *tables, name = key.split(".")
    for table in tables:
        union, types = TaggedUnion.of(struct, table), table_types(field_types(struct)[table])
        struct = union.kinds[values[table][union.tag_field]] if union else types[0]
    annotation = field_types(struct).get(name)
    if table_types(annotation):
        return ""
    if choices := [str(choice) for choice in _choices(annotation)]:
        return f": choose from {', '.join(choices)}"
    first_sentence = field_docstrings(struct).get(name, "").partition(". ")[0].rstrip(".")
    return f": {first_sentence}" if first_sentence else ""


def _choices(annotation: Any) -> list[Any]:
    """The values of a Literal, alone or in a union."""
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return list(arguments)
    return [choice for argument in arguments for choice in _choices(argument)]
