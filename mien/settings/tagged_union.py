"""A table that comes in several kinds: a struct for each, told apart by the value of one key, such as `kind`."""

from dataclasses import dataclass
from typing import Any, Self

import msgspec
from msgspec import Struct

from mien.settings.struct_fields import field_docstrings, field_types, table_types


def tag_of(settings: Struct | type[Struct]) -> str:
    """The value that names the kind of a table, such as "pir"."""
    return str(settings.__struct_config__.tag)


@dataclass(frozen=True, slots=True)
class TaggedUnion:
    """The kinds of one table."""

    tag_field: str
    """The key that names the kind."""
    kinds: dict[str, type[Struct]]
    """By the value of that key."""
    default: str
    """The kind of a table that does not name one."""
    former: dict[str, str]
    """The kinds by the values that named them in earlier releases: FORMER_TAGS of their structs."""

    @classmethod
    def of(cls, struct: type[Struct], field_name: str) -> Self | None:
        """The union that a field's table is; None if it is not a table, or of one kind only."""
        (field,) = (field for field in msgspec.structs.fields(struct) if field.name == field_name)
        structs = table_types(field.type)
        tag_fields = {kind.__struct_config__.tag_field for kind in structs} - {None}
        if not tag_fields:
            return None
        (tag_field,) = tag_fields
        kinds = {tag_of(kind): kind for kind in structs}
        former = {name: tag for tag, kind in kinds.items() for name in getattr(kind, "FORMER_TAGS", ())}
        return cls(tag_field=str(tag_field), kinds=kinds, default=tag_of(field.default), former=former)

    def kind_of(self, values: dict[str, Any]) -> Any:
        """The kind that a table names, by a former value or not, or has by default; it may be an invalid one."""
        kind = values.get(self.tag_field, self.default)
        return self.former.get(kind, kind) if isinstance(kind, str) else kind

    def kinds_with(self, key: str) -> list[str]:
        """The kinds that have a key."""
        return [name for name, kind in self.kinds.items() if key in field_types(kind)]

    def docstring(self) -> str:
        """What each kind is, from the docstrings of the structs."""
        return " ".join(f"{name}: {_uncapitalize(kind.__doc__ or '')}" for name, kind in self.kinds.items())

    def differing_fields(self, kind: str, other: str) -> tuple[list[str], list[str]]:
        """The fields that `kind` has and `other` lacks or describes differently, and those that only `other` has."""
        struct, other_struct = self.kinds[kind], self.kinds[other]
        docstrings, other_docstrings = field_docstrings(struct), field_docstrings(other_struct)
        own = [name for name in field_types(struct) if docstrings.get(name) != other_docstrings.get(name)]
        return own, [name for name in field_types(other_struct) if name not in field_types(struct)]


def _uncapitalize(sentence: str) -> str:
    """A sentence to continue a line with; a first word such as PIR or OpenCV stays as it is."""
    first_word = sentence.partition(" ")[0]
    return sentence[:1].lower() + sentence[1:] if first_word[1:] == first_word[1:].lower() else sentence
