"""Collects observations from MQTT into a database and answers questions about them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .log import EmotionLog

__all__ = ["EmotionLog"]


def __getattr__(name: str) -> object:
    """EmotionLog, imported when it is asked for: `mien --help` needs no database."""
    if name == "EmotionLog":
        from .log import EmotionLog

        return EmotionLog
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
