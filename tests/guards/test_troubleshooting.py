"""mien/troubleshooting.md and the errors of the code know each other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mien.errors
from mien.errors import MienError, OutputClosed
from mien.explanations import ANY, Explanation, explain, number_for, read_explanations

ROOT = Path(__file__).parents[2]
ERRORS = {
    name: error for name, error in vars(mien.errors).items() if isinstance(error, type) and issubclass(error, MienError)
}
EXPLANATIONS = read_explanations()
ROOMS = ("mien", "edge", "broker", "trainer", "deploy")


def message(node: ast.expr) -> str:
    """Text as the code has it, with `…` for what is inserted."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(message, node.values))
    return ANY


def source_files() -> Iterator[ast.Module]:
    for room in ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            yield ast.parse(file.read_text(encoding="utf-8"))


def raised_messages() -> set[tuple[str, str]]:
    """The kind and the text of each error that the code makes with a text of its own."""
    return {
        (node.func.id, message(node.args[0]))
        for tree in source_files()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS and node.args
    }


MESSAGES = sorted(raised_messages())
TEXTS = "\n".join(
    message(node)
    for tree in source_files()
    for node in ast.walk(tree)
    if isinstance(node, (ast.JoinedStr, ast.Constant))
)


def test_each_kind_of_error_has_an_explanation() -> None:
    numbers = {entry.number for entry in EXPLANATIONS}
    codes = {str(error.exit_code) for error in ERRORS.values() if error is not OutputClosed}
    assert codes <= numbers


def test_the_number_that_each_error_names_leads_to_an_explanation() -> None:
    numbers = {
        (kind, text): number_for(text, ERRORS[kind].exit_code) for kind, text in MESSAGES if kind != "OutputClosed"
    }
    assert len(numbers) > 250
    explained = {entry.number for entry in EXPLANATIONS if entry.body}
    assert {error: number for error, number in numbers.items() if number not in explained} == {}


@pytest.mark.parametrize(
    "entry", [entry for entry in EXPLANATIONS if "." in entry.number], ids=lambda entry: entry.title
)
def test_a_quoted_message_is_one_of_the_code(entry: Explanation) -> None:
    assert entry.quotes
    for quote in entry.quotes:
        for part in re.split(rf"{ANY}|: |\(|\)|`", quote):
            assert not part.strip() or part.strip() in TEXTS, f"no error says {part!r}"


def test_most_errors_that_a_message_alone_does_not_explain_have_an_entry_of_their_own() -> None:
    own = dict.fromkeys(ERRORS, 0)
    for kind, text in MESSAGES:
        own[kind] += "." in number_for(text, ERRORS[kind].exit_code)
    for kind in ("ConfigurationError", "ModelError", "DataError", "CameraError", "DatabaseError", "TrainingError"):
        assert own[kind] >= 2, own


@pytest.mark.parametrize(
    "symptom", ["no rows", "always neutral", "offline though running", "database is locked", "camera is busy"]
)
def test_the_usual_symptoms_are_explained(symptom: str) -> None:
    assert any(symptom in entry.title.casefold() and "." not in entry.number for entry in explain(symptom))
