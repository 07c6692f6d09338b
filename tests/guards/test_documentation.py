"""The documentation covers every command, option, setting, topic and exit code, and states the model's scores."""

import re
import runpy
from pathlib import Path

import msgspec
import pytest
from typer.main import get_command

import mien.errors
from mien.cli import create_app
from mien.errors import MienError
from mien.messages.topics import Topics
from mien.settings.display import to_toml
from mien.settings.registry import configurable_programs, settings_type_of
from mien.settings.struct_fields import field_docstrings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
MAX_README_LINES = 150


def command_names() -> list[str]:
    """Every command, with those of groups as `GROUP COMMAND`."""
    root = get_command(create_app()[0])
    names = []
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        subcommands = getattr(command, "commands", None)
        names += [f"{name} {subcommand}" for subcommand in subcommands] if subcommands else [name]
    return names


@pytest.mark.parametrize("name", command_names())
def test_every_command_has_help_and_is_documented(name: str) -> None:
    command = get_command(create_app()[0])
    for part in name.split():
        command = command.commands[part]  # type: ignore[attr-defined]
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"mien {name}: {parameter.name} has no help"
    assert f"`mien {name}`" in COMMANDS


def test_every_topic_is_documented() -> None:
    topics = Topics()
    for topic in (
        topics.observation("<device>"),
        topics.acknowledgement("<device>"),
        topics.device_status("<device>"),
        topics.device_health("<device>"),
        topics.device_motion("<device>"),
        topics.collector_status("<name>"),
    ):
        assert f"`{topic}`" in ARCHITECTURE


def test_every_exit_code_is_documented() -> None:
    codes = {error.exit_code for error in vars(mien.errors).values() if _is_error_class(error)}
    table = re.findall(r"^\| (\d+) \|", COMMANDS, re.MULTILINE)
    assert {str(code) for code in codes} <= set(table)


def _is_error_class(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, MienError)


@pytest.mark.parametrize("program", configurable_programs())
def test_the_documented_settings_are_the_settings(program: str) -> None:
    settings_type = settings_type_of(program)
    settings = settings_type(device="hallway") if program == "agent" else settings_type()
    document = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    expected = to_toml(settings, all_kinds=True)
    hint = f"paste to_toml({settings_type.__name__}(), all_kinds=True) of mien.settings.display into docs/settings.md"
    assert f"## {program}.toml\n\n```toml\n{expected}```\n" in document, hint


@pytest.mark.parametrize("page", ["messages", "api"])
def test_the_reference_is_that_of_the_code(page: str) -> None:
    reference = runpy.run_path(str(ROOT / "docs" / "reference.py"))
    name = {"messages": "messages.md", "api": "http-api.md"}[page]
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert text == reference[f"format_{page}"](), "run `python docs/reference.py`"


def test_the_readme_states_the_scores_on_the_model_card() -> None:
    from mien.model.classifier import Classifier

    evaluation = Classifier().card.evaluation
    assert f"{evaluation.accuracy:.1%}" in README
    assert f"{evaluation.macro_f1:.2f}" in README


def test_the_documented_model_card_is_that_of_the_default_model() -> None:
    from mien.model.model_card import DEFAULT_MODEL, read_model
    from mien.trainer.report.model_card import format_model_card

    document = (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8")
    expected = format_model_card(read_model(DEFAULT_MODEL)[1])
    assert document == expected, "write `mien model card` into docs/model-card.md"


def test_the_options_of_train_are_the_fields_of_the_recipe() -> None:
    from mien.trainer.recipe import Recipe

    command = get_command(create_app()[0]).commands["train"]  # type: ignore[attr-defined]
    recipe = msgspec.structs.asdict(Recipe())
    docstrings = field_docstrings(Recipe)
    options = {option.name: option for option in command.params if option.name in recipe}
    others = {option.name for option in command.params} - recipe.keys()
    assert list(options) == list(recipe)
    assert {name: option.default for name, option in options.items()} == recipe
    assert others == {"data", "run", "ferplus", "recipe_file", "resume", "tensorboard"}
    for name, option in options.items():
        assert option.opts == [f"--{name.replace('_', '-')}"]
        assert option.help.startswith(docstrings[name].partition(". ")[0])


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= MAX_README_LINES


def test_every_document_is_linked_from_the_readme() -> None:
    for document in {*(ROOT / "docs").glob("*.md")} - {ROOT / "docs" / "index.md"}:
        assert f"](docs/{document.name})" in README, f"link docs/{document.name} from the README"


def test_links_to_files_lead_to_existing_files() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "mien").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_readme_s_steps_are_those_that_make_test_flash_runs() -> None:
    tested = (ROOT / "deploy" / "README.md").read_text().splitlines()
    section = README.split("## On a real Raspberry Pi")[1].split("\n## ")[0]
    documented = [
        line for line in section.splitlines() if line.startswith(("mien server", "mien device", "mien flash", "sudo "))
    ]
    assert len(documented) >= 5
    assert set(documented) <= set(tested)
