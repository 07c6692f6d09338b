"""The documents say what is there: every command, option, setting, topic and exit code."""

import re
from pathlib import Path

import msgspec
import pytest
from typer.main import get_command

import mien.errors
from mien.command import _application
from mien.configuration import programs, settings_type_of, show
from mien.errors import MienError
from mien.topics import Topics

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """Every verb, groups' verbs included."""
    root = get_command(_application()[0])
    names = []
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        names += [f"{name} {verb}" for verb in inner] if inner else [name]
    return names


@pytest.mark.parametrize("name", commands())
def test_every_command_has_help_and_stands_in_the_readme(name: str) -> None:
    command = get_command(_application()[0])
    for verb in name.split():
        command = command.commands[verb]  # type: ignore[attr-defined]
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"mien {name}: {parameter.name} has no help"
    assert f"mien {name}" in README


def test_every_topic_stands_in_the_readme() -> None:
    topics = Topics()
    for topic in (
        topics.observation("<device>"),
        topics.acknowledgement("<device>"),
        topics.device_status("<device>"),
        topics.device_health("<device>"),
        topics.device_motion("<device>"),
        topics.collector_status("<name>"),
    ):
        assert f"`{topic}`" in README


def test_every_exit_code_stands_in_the_readme() -> None:
    codes = {error.exit_code for error in vars(mien.errors).values() if _is_error(error)}
    table = re.findall(r"^\| (\d+) \|", README, re.MULTILINE)
    assert {str(code) for code in codes} <= set(table)


def _is_error(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, MienError)


@pytest.mark.parametrize("program", programs())
def test_the_documented_settings_are_the_settings(program: str) -> None:
    settings_type = settings_type_of(program)
    settings = settings_type(device="hallway") if program == "agent" else settings_type()
    document = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert show(settings) in document, f"paste `mien config show {program}` of the defaults into docs/settings.md"


def test_the_readme_states_the_scores_on_the_model_s_card() -> None:
    from mien.classifier import Classifier

    evaluation = Classifier().card.evaluation
    assert f"{evaluation.accuracy:.1%}" in README
    assert f"{evaluation.macro_f1:.2f}" in README


def test_the_documented_model_card_is_the_shipped_model_s() -> None:
    from mien.card import DEFAULT_MODEL, read_model
    from mien.trainer.model_card import model_card

    document = (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8")
    assert document == model_card(read_model(DEFAULT_MODEL)[1]), "write `mien card` into docs/model-card.md"


def test_the_options_of_train_begin_as_the_recipe_does() -> None:
    from mien.trainer.settings import Recipe

    command = get_command(_application()[0]).commands["train"]  # type: ignore[attr-defined]
    recipe = msgspec.structs.asdict(Recipe())
    offered = {option.name: option.default for option in command.params if option.name in recipe}
    not_a_constant = {"mixed_precision", "warmup_epochs", "average_momentum"}
    assert offered.keys() >= recipe.keys() - not_a_constant
    assert {name: recipe[name] for name in offered.keys() - not_a_constant} == {
        name: default for name, default in offered.items() if name not in not_a_constant
    }


def test_the_file_s_links_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_readme_s_steps_are_those_that_make_test_flash_runs() -> None:
    steps = (ROOT / "deploy" / "README.md").read_text().splitlines()
    real = README.split("## Run it for real")[1].split("## Read files")[0]
    shown = [
        line for line in real.splitlines() if line.startswith(("mien server", "mien device", "mien flash", "sudo "))
    ]
    assert len(shown) >= 5
    assert set(shown) <= set(steps)
