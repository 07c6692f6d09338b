"""Free text in messages: short, on one line, without control characters."""

from typing import Annotated

from msgspec import Meta

MAX_TEXT = 200
"""Characters."""

ShortText = Annotated[
    str, Meta(max_length=MAX_TEXT, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]*$(?!\n)")
]
"""Text for people; without line breaks, terminal escapes or characters that change the direction of writing."""
Kind = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}$(?!\n)")]
"""A part's kind, as the settings name it."""
ModelId = Annotated[str, Meta(pattern=r"^[0-9a-f]{12}$(?!\n)")]
"""First 12 hexadecimal digits of the SHA-256 of the model's weights."""
OptionalModelId = Annotated[str, Meta(pattern=r"^([0-9a-f]{12})?$(?!\n)")]
"""The same; empty if there is no model."""
Version = Annotated[str, Meta(pattern=r"^([0-9A-Za-z][0-9A-Za-z.!+_-]{0,31})?$(?!\n)")]
"""A release number."""


def to_short_text(text: str) -> str:
    """Any text as a valid ShortText: cut to MAX_TEXT, with spaces in place of characters that are not printable."""
    return "".join(character if character.isprintable() else " " for character in text[:MAX_TEXT])
