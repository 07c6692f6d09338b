"""One TOML file a program, checked against a frozen settings struct: an unknown key or a wrong type is an error."""

import ast
import difflib
import functools
import inspect
import json
import textwrap
import tomllib
import typing
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from mien.errors import ConfigurationError, MissingExtra

LEAST_LIKENESS = 0.5
"""Below it, of 1, a key is no misspelling of another one."""
SettingsType = TypeVar("SettingsType", bound=Struct)


def load(path: Path, settings_type: type[SettingsType]) -> SettingsType:
    """Read a program's settings. ConfigurationError names the file, the key and the cure."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path} does not exist: name the configuration file with --config") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
    return convert(values, settings_type, source=str(path))


def convert(values: dict[str, Any], settings_type: type[SettingsType], *, source: str) -> SettingsType:
    """Settings from plain values; `source` begins each error's line."""
    _refuse_unknown_keys(values, settings_type, source, prefix="")
    try:
        return msgspec.convert(values, settings_type)
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$.")
        key = place.removesuffix("`")
        where = f"{key}: " if key else ""
        problem = problem.replace("Object missing", "missing")
        raise ConfigurationError(f"{source}: {where}{problem}{_cure(settings_type, key)}") from error


def _cure(settings_type: type[Struct], key: str) -> str:
    """What a key takes: its choices, or else what its docstring begins with."""
    *sections, name = key.split(".")
    struct: Any = settings_type
    for section in sections:
        struct = {field.name: field.type for field in msgspec.structs.fields(struct)}.get(section)
        if not _is_struct(struct):
            return ""
    annotation = {field.name: field.type for field in msgspec.structs.fields(struct)}.get(name)
    choices = [str(choice) for choice in _choices(annotation)]
    if choices:
        return f": choose from {', '.join(choices)}"
    text = _docstrings(struct).get(name, "").partition(". ")[0].rstrip(".")
    return f": {text}" if text else ""


def _choices(annotation: Any) -> list[Any]:
    """The values of a Literal, alone or in a union."""
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is typing.Literal:
        return list(arguments)
    return [choice for one in arguments for choice in _choices(one)]


def _refuse_unknown_keys(values: dict[str, Any], settings_type: type[Struct], source: str, prefix: str) -> None:
    known = {field.name: field.type for field in msgspec.structs.fields(settings_type)}
    for key, value in values.items():
        if key not in known:
            near = [f"{prefix}{name}" for name in _most_like(key, known)]
            cure = f"did you mean {' or '.join(near)}?" if near else f"known here: {', '.join(known)}"
            raise ConfigurationError(f"{source}: unknown key {prefix}{key}: {cure}")
        if _is_struct(known[key]) and isinstance(value, dict):
            _refuse_unknown_keys(value, known[key], source, prefix=f"{prefix}{key}.")


def _most_like(key: str, known: Iterable[str]) -> list[str]:
    """The names that a mistyped key may stand for: the one most like it, or several that are equally so."""
    likeness = {name: difflib.SequenceMatcher(None, name, key).ratio() for name in known}
    best = max(likeness.values())
    return [name for name, ratio in likeness.items() if ratio == best >= LEAST_LIKENESS]


def show(settings: Struct) -> str:
    """All settings in force as a commented TOML file that `load` reads back to the same settings."""
    lines = _shown_values(settings)
    for field in msgspec.structs.fields(type(settings)):
        value = getattr(settings, field.name)
        if _is_struct(field.type):
            lines += ["", *_comment(_docstrings(type(settings)).get(field.name, "")), f"[{field.name}]"]
            lines += _shown_values(value)
    return "\n".join(lines).strip() + "\n"


def _shown_values(settings: Struct) -> list[str]:
    documentation = _docstrings(type(settings))
    lines = []
    for field in msgspec.structs.fields(type(settings)):
        if _is_struct(field.type):
            continue
        value = getattr(settings, field.name)
        lines += _comment(documentation.get(field.name, ""))
        lines.append(
            f"# {field.name} =" if value is None else f"{field.name} = {json.dumps(value, ensure_ascii=False)}"
        )
    return lines


def schema(settings_type: type[Struct]) -> dict[str, Any]:
    """The JSON Schema of a settings file, each key with its description, for editors that complete TOML."""
    described = msgspec.json.schema(settings_type)
    for struct in [settings_type, *(f.type for f in msgspec.structs.fields(settings_type) if _is_struct(f.type))]:
        properties = described["$defs"][struct.__name__]["properties"]
        for name, text in _docstrings(struct).items():
            properties[name]["description"] = text
    return described


def programs() -> list[str]:
    """The programs that have a configuration file."""
    return sorted(entry_points(group="mien.settings").names)


def settings_type_of(program: str) -> type[Struct]:
    """A program's settings struct. ConfigurationError names the programs there are."""
    for entry in entry_points(group="mien.settings", name=program):
        try:
            return typing.cast(type[Struct], entry.load())
        except ModuleNotFoundError as error:
            raise MissingExtra(f"the settings of {program} need the package {error.name}") from error
    raise ConfigurationError(f"there is no program {program!r}: choose from {', '.join(programs())}")


def _is_struct(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Struct)


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, 116)]


@functools.cache
def _docstrings(struct: type[Struct]) -> dict[str, str]:
    """The docstring under each field, which Python keeps only in the source."""
    documentation: dict[str, str] = {}
    for base in reversed([base for base in struct.__mro__ if _is_struct(base) and base is not Struct]):
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            match field, text:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(value))):
                    documentation[name] = inspect.cleandoc(value).replace("\n", " ")
    return documentation
