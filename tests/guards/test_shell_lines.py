"""Every shell line in the documents is checked against the help: commands, options, make's targets, files."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from mien.cli import create_app

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "deploy" / "README.md",
        ROOT / "trainer" / "LOG.md",
        ROOT / "mien" / "troubleshooting.md",
    ]
)
SCRIPTS = sorted((ROOT / "trainer" / "runs").rglob("*.sh"))


def shell_lines(document: Path) -> Iterator[str]:
    """The lines of fenced blocks, without prompts and comments, and the text in `backticks`."""
    text = document.read_text(encoding="utf-8")
    if document.suffix == ".sh":
        yield from re.sub(r"\\\n\s*", "", text).splitlines()
        return
    for block in re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from (line.removeprefix("$ ") for line in block.splitlines())
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (re.sub(r"\s+", " ", piece) for piece in re.findall(r"`([^`]+)`", prose))


def commands(word: str) -> list[tuple[str, list[str]]]:
    """By document, the arguments of each call of a program."""
    found = []
    for document in [*DOCUMENTS, *SCRIPTS]:
        for line in shell_lines(document):
            for call in re.split(r"&&|;|\||\$\(|(?<!\S)then |(?<!\S)do ", line.partition(" #")[0]):
                try:
                    words = shlex.split(re.sub(r"[|<>].*", "", call))
                except ValueError:
                    continue
                words = [part for part in words if part not in ("sudo", "-u")]
                if words[:1] == ["mien"] and words[1:2] == ["mien"]:  # sudo -u mien mien doctor
                    words = words[1:]
                if words[:1] == [word] and len(words) > 1:
                    found.append((document.relative_to(ROOT).as_posix(), words[1:]))
    return found


@pytest.mark.parametrize(("document", "arguments"), commands("mien"), ids=str)
def test_a_documented_command_accepts_the_options_that_it_is_shown_with(document: str, arguments: list[str]) -> None:
    command = get_command(create_app()[0])
    path = ["mien"]
    for name in arguments:
        if name not in getattr(command, "commands", {}):
            break
        command = command.commands[name]  # type: ignore[attr-defined]
        path.append(name)
    if path == ["mien"]:
        assert arguments[0].startswith("--") or not re.fullmatch(r"[a-z-]+", arguments[0]), f"mien {arguments[0]}?"
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help",
        "--version",
    }
    for argument in arguments[len(path) - 1 :]:
        if re.match(r"--?[a-z]", argument):
            assert argument.split("=")[0] in known, f"{document}: `{' '.join(path)}` has no {argument}"


@pytest.mark.parametrize(("document", "arguments"), commands("make"), ids=str)
def test_a_documented_target_of_make_exists(document: str, arguments: list[str]) -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for argument in arguments:
        assert "=" in argument or argument in targets, f"{document}: make has no target {argument}"


@pytest.mark.parametrize(("document", "arguments"), [*commands("python"), *commands("python3")], ids=str)
def test_a_documented_script_exists(document: str, arguments: list[str]) -> None:
    if arguments[0].endswith(".py"):
        assert (ROOT / arguments[0]).is_file(), f"{document} runs {arguments[0]}"


def test_the_guard_finds_the_lines() -> None:
    assert len(commands("mien")) > 60
    assert len(commands("make")) > 10
