"""The result of one diagnostic check, and how a series of checks is printed."""

from collections.abc import Iterable
from typing import Literal

import msgspec
import typer
from msgspec import Struct
from rich.console import Console
from rich.text import Text

from mien.errors import MienError

Level = Literal["ok", "warning", "error"]
COLORS: dict[Level, str] = {"ok": "green", "warning": "yellow", "error": "red"}


class CheckResult(Struct, frozen=True, kw_only=True):
    """The result of one check."""

    subject: str
    """What was checked, in one word: model, camera, broker."""
    level: Level
    """error: it does not work like this. warning: it works, but could work better."""
    message: str
    hint: str = ""
    """How to fix it; empty if all is well."""


def ok(subject: str, message: str) -> CheckResult:
    return CheckResult(subject=subject, level="ok", message=message)


def warning(subject: str, message: str, hint: str) -> CheckResult:
    return CheckResult(subject=subject, level="warning", message=message, hint=hint)


def error(subject: str, message: str, hint: str) -> CheckResult:
    return CheckResult(subject=subject, level="error", message=message, hint=hint)


def failed(subject: str, exception: MienError) -> CheckResult:
    """An error result from an exception, whose line ends with its fix, as in all of mien's errors."""
    message, _, hint = str(exception).rpartition(": ")
    return error(subject, message or hint, hint if message else "")


def print_results(results: Iterable[CheckResult], *, as_json: bool) -> bool:
    """Print a line for each result as it arrives, or one JSON object at the end; True if none is an error."""
    console = Console()
    finished = []
    for result in results:
        finished.append(result)
        if as_json:
            continue
        line = Text.assemble((f"{result.level:8}", COLORS[result.level]), f"{result.subject:12} ", result.message)
        if result.hint:
            line.append(f": {result.hint}", style="bold")
        console.print(line, soft_wrap=True)
    if as_json:
        typer.echo(msgspec.json.encode({"checks": finished}))
    return all(result.level != "error" for result in finished)
