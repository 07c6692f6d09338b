"""A line of a checkup: what was looked at, how it is, and the cure; and how a checkup is told."""

from collections.abc import Iterable
from typing import Literal

import msgspec
import typer
from msgspec import Struct
from rich.console import Console
from rich.text import Text

from mien.errors import MienError

Level = Literal["ok", "warning", "error"]


class Diagnosis(Struct, frozen=True, kw_only=True):
    """What one check found."""

    subject: str
    """A word: model, camera, broker."""
    level: Level
    """error: it does not work like this. warning: it works, but not as it could."""
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


def tell(checkup: Iterable[Diagnosis], *, as_json: bool) -> bool:
    """Print a line for each as it comes, or one JSON object at the end; True if none is an error."""
    console = Console()
    found = []
    for diagnosis in checkup:
        found.append(diagnosis)
        if as_json:
            continue
        colour = {"ok": "green", "warning": "yellow", "error": "red"}[diagnosis.level]
        line = Text.assemble((f"{diagnosis.level:8}", colour), f"{diagnosis.subject:12}", diagnosis.message)
        if diagnosis.cure:
            line.append(f": {diagnosis.cure}", style="bold")
        console.print(line, soft_wrap=True)
    if as_json:
        typer.echo(msgspec.json.encode({"checks": found}))
    return all(diagnosis.level != "error" for diagnosis in found)
