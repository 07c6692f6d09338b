"""Displays a settings struct: as a commented TOML file and as a JSON Schema."""

import json
import textwrap
from typing import Any

import msgspec
from msgspec import Struct

from mien.settings.struct_fields import field_docstrings, field_types, table_types
from mien.settings.tagged_union import TaggedUnion, tag_of

COMMENT_WIDTH = 116
"""Of the text behind `# `: lines of at most 118 characters."""


def to_toml(settings: Struct, *, all_kinds: bool = False) -> str:
    """All settings in effect as a commented TOML file, which `load_settings` reads back to the same settings.

    With `all_kinds`, a table of several kinds is followed by the settings of the other kinds, as comments.
    """
    lines = _value_lines(settings)
    for name, field_type in field_types(type(settings)).items():
        if not table_types(field_type):
            continue
        table, union = getattr(settings, name), TaggedUnion.of(type(settings), name)
        lines += ["", *_comment(field_docstrings(type(settings)).get(name, "")), f"[{name}]"]
        if union:
            lines += [*_comment(union.docstring()), f"{union.tag_field} = {_to_value(tag_of(table))}"]
        lines += _value_lines(table)
        if union and all_kinds:
            lines += [line for kind in union.kinds for line in _other_kind_lines(union, kind, tag_of(table))]
    return "\n".join(lines).strip() + "\n"


def to_json_schema(settings_type: type[Struct]) -> dict[str, Any]:
    """The JSON Schema of a settings file, each key with its description, for editors that complete and check TOML."""
    schema = msgspec.json.schema(settings_type)
    definitions = schema["$defs"]
    _describe_fields(definitions, settings_type)
    for name, field_type in field_types(settings_type).items():
        for struct in table_types(field_type):
            _describe_fields(definitions, struct)
        if union := TaggedUnion.of(settings_type, name):
            field = definitions[settings_type.__name__]["properties"][name]
            field["oneOf"] = field.pop("anyOf")
            del field["discriminator"]  # OpenAPI's, and it would require a tag in every table
            for kind, struct in union.kinds.items():
                definition = definitions[struct.__name__]
                definition["properties"][union.tag_field]["description"] = union.docstring()
                if kind == union.default:
                    definition["required"].remove(union.tag_field)
    return schema


def _describe_fields(definitions: dict[str, Any], struct: type[Struct]) -> None:
    for name, docstring in field_docstrings(struct).items():
        definitions[struct.__name__]["properties"][name]["description"] = docstring


def _value_lines(settings: Struct) -> list[str]:
    """The settings that are not tables, each below its description; those that are not set are commented out."""
    return [
        line
        for name, field_type in field_types(type(settings)).items()
        if not table_types(field_type)
        for line in _field_lines(type(settings), name, getattr(settings, name))
    ]


def _other_kind_lines(union: TaggedUnion, kind: str, shown_kind: str) -> list[str]:
    """As comments, what a table of this kind has and lacks in comparison with the one that is shown."""
    if kind == shown_kind:
        return []
    own, missing = union.differing_fields(kind, shown_kind)
    defaults = {field.name: _default(field) for field in msgspec.structs.fields(union.kinds[kind])}
    without = f", without {_enumerate(missing)}" if missing else ""
    lines = [f'With {union.tag_field} = "{kind}"{without}{":" if own else "."}']
    for name in own:
        lines += [
            f"    {line}" for line in _field_lines(union.kinds[kind], name, defaults[name], width=COMMENT_WIDTH - 6)
        ]
    return ["", *(f"# {line}" for line in lines)]


def _default(field: msgspec.structs.FieldInfo) -> Any:
    """None if there is none."""
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return None if field.default is msgspec.NODEFAULT else field.default


def _field_lines(struct: type[Struct], name: str, value: Any, *, width: int = COMMENT_WIDTH) -> list[str]:
    comment = _comment(field_docstrings(struct).get(name, ""), width)
    return [*comment, f"# {name} =" if value is None else f"{name} = {_to_value(value)}"]


def _comment(text: str, width: int = COMMENT_WIDTH) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, width)]


def _to_value(value: Any) -> str:
    """Strings, numbers, truth values and lists of them look the same in JSON and TOML."""
    return json.dumps(value, ensure_ascii=False)


def _enumerate(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
