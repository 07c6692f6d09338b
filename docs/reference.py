"""Writes the pages of the reference that are made of the code: `python docs/reference.py`. A test compares them."""

import types
import typing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from mien.broker.database.engine import open_for_writing
from mien.broker.query import EmotionLog
from mien.broker.web.app import create_app
from mien.messages.acknowledgement import Acknowledgement
from mien.messages.batch import Batch
from mien.messages.dropped import Dropped
from mien.messages.health import Health
from mien.messages.motion import MotionState
from mien.messages.observation import Observation
from mien.messages.status import CollectorStatus, DeviceStatus
from mien.settings.struct_fields import field_docstrings, is_struct

DOCS = Path(__file__).parent
MESSAGES: tuple[tuple[str, str, type[Struct]], ...] = (
    ("Observation", "observation", Observation),
    ("Declared loss", "observation", Dropped),
    ("Batch", "observation", Batch),
    ("Acknowledgement", "ack", Acknowledgement),
    ("Device status", "status", DeviceStatus),
    ("Health", "health", Health),
    ("Motion", "motion", MotionState),
    ("Collector status", "_collector/NAME/status", CollectorStatus),
)
MESSAGES_HEAD = """# Messages

Every message on MQTT, with its fields; [who publishes what](architecture.md#topics). All are JSON, a batch compressed
by zlib. A field that is not known is ignored, so that a newer release can add some. This page is made of the code.
"""
API_HEAD = """# The HTTP API

What `mien dashboard` serves to programs. Off this machine a request needs the token in the header `Authorization:
Bearer TOKEN`. Errors are problem details (RFC 9457). `/openapi.json` describes the same for tools. This page is made of
the code.
"""


def format_messages() -> str:
    """docs/messages.md."""
    parts = [MESSAGES_HEAD]
    for title, topic, struct in MESSAGES:
        place = topic if topic.startswith("_") else f"DEVICE/{topic}"
        parts.append(f"## {title}\n\nOn `mien/{place}`. {_summary(struct)}\n\n{_table(struct)}")
    return "\n".join(parts)


def format_api() -> str:
    """docs/http-api.md."""
    parts = [API_HEAD]
    with TemporaryDirectory() as folder:
        database = Path(folder, "mien.db")
        open_for_writing(database).dispose()
        with EmotionLog(database) as log:
            description = create_app(log).openapi()
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            parts.append(f"## {method.upper()} {path}\n\n{operation.get('description', operation['summary'])}\n")
            rows = []
            for parameter in operation.get("parameters", ()):
                meaning = _cell(parameter.get("description", ""))
                rows.append(f"| `{parameter['name']}` | {_schema_type(parameter['schema'])} | {meaning} |")
            if rows:
                parts.append("\n".join(["| parameter | type | meaning |", "|---|---|---|", *rows, ""]))
    return "\n".join(parts)


def _table(struct: type[Struct]) -> str:
    rows = ["| field | type | meaning |", "|---|---|---|"]
    rows += _rows(struct, "")
    return "\n".join([*rows, ""])


def _rows(struct: type[Struct], prefix: str) -> list[str]:
    docstrings = field_docstrings(struct)
    hints = typing.get_type_hints(struct, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(struct):
        annotation = hints[field.name]
        text = docstrings.get(field.name, "")
        inner = next((choice for choice in (annotation, *typing.get_args(annotation)) if is_struct(choice)), None)
        if inner is not None and not text:
            text = _summary(inner)
        if not field.required and not prefix and is_struct(inner):
            text += " May be absent."
        rows.append(f"| `{prefix}{field.name}` | {_type(annotation)} | {_cell(text)} |")
        if inner is not None:
            rows += _rows(inner, f"{prefix}{field.name}.")
    return rows


def _type(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(arguments[0]) + _limits([meta for meta in arguments[1:] if isinstance(meta, Meta)])
    if origin is Literal:
        return ", ".join(f"`{argument}`" for argument in arguments)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type(argument) for argument in arguments)
    if origin is tuple:
        return (
            f"list of {len(arguments)}: {_type(arguments[0])}"
            if len(set(arguments)) == 1
            else ("list: " + ", ".join(_type(argument) for argument in arguments))
        )
    if origin is list:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"object: {_type(arguments[1])} by {_type(arguments[0])}"
    if annotation is type(None):
        return "null"
    if annotation is Raw:
        return "message"
    if is_struct(annotation):
        return "object"
    names = {int: "integer", float: "number", bool: "boolean", str: "string", "UUID": "UUID"}
    return names.get(annotation) or {"datetime": "time (RFC 3339)"}.get(annotation.__name__, annotation.__name__)


def _limits(metas: list[Meta]) -> str:
    texts = []
    for meta in metas:
        least = meta.ge if meta.ge is not None else meta.gt
        if least is not None and meta.le is not None:
            texts.append(f" from {least:g} to {_number(meta.le)}")
        elif least is not None and meta.lt is not None:
            texts.append(f" from {least:g}, below {_number(meta.lt)}")
        elif least is not None:
            texts.append(f" from {least:g}")
        if meta.max_length is not None:
            texts.append(f" of at most {meta.max_length}")
    return "".join(texts)


def _number(value: float) -> str:
    return f"2^{value.bit_length() - 1}" if isinstance(value, int) and value >= 2**31 else f"{value:g}"


def _schema_type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_schema_type(choice) for choice in schema["anyOf"] if choice.get("type") != "null")
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if schema.get("type") == "array":
        return f"{_schema_type(schema['items'])}; may be repeated"
    return str(schema.get("format") or schema.get("type", "string"))


def _summary(struct: type[Struct]) -> str:
    """The first sentences of a docstring, without one that only names the topic."""
    text = (struct.__doc__ or "").strip().partition("\n\n")[0].replace("\n", " ")
    return text.partition(". ")[2] if text.startswith("On `<base_topic>") else text


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    (DOCS / "messages.md").write_text(format_messages(), encoding="utf-8")
    (DOCS / "http-api.md").write_text(format_api(), encoding="utf-8")
