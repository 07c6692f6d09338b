"""One line of `mien doctor`: what was looked at, how it is, and the cure."""

from typing import Literal

from msgspec import Struct

from mien.errors import MienError

Level = Literal["ok", "warning", "error"]


class Diagnosis(Struct, frozen=True, kw_only=True):
    """What one check found."""

    subject: str
    """A word: model, camera, broker."""
    level: Level
    """error: the agent does not work like this. warning: it works, but not as it could."""
    message: str
    cure: str = ""
    """What to do about it; empty where all is well."""


def ok(subject: str, message: str) -> Diagnosis:
    return Diagnosis(subject=subject, level="ok", message=message)


def warning(subject: str, message: str, cure: str) -> Diagnosis:
    return Diagnosis(subject=subject, level="warning", message=message, cure=cure)


def error(subject: str, message: str, cure: str) -> Diagnosis:
    return Diagnosis(subject=subject, level="error", message=message, cure=cure)


def failed(subject: str, problem: MienError) -> Diagnosis:
    """An error whose line ends with its cure, as all of mien's do."""
    message, _, cure = str(problem).rpartition(": ")
    return error(subject, message or cure, cure if message else "")
