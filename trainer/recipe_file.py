"""Reads recipe files, and composes the recipe of a new run from a file and options."""

import os
from pathlib import Path
from typing import Any

import msgspec

from mien.errors import ConfigurationError, ModelError, UsageError
from mien.media.file_name import to_text
from mien.settings.load import to_settings

from .recipe import ModelFile, Recipe

RECIPE_FILE = "recipe.json"
"""The name of the file in a run's folder."""
MODEL_FILE_FIELDS = [field.name for field in msgspec.structs.fields(Recipe) if field.type == ModelFile | None]
"""The fields that name files."""


def read_recipe(file: Path) -> Recipe:
    """The recipe in a file, its paths as recorded. ConfigurationError names the file, the field and the fix."""
    try:
        values = msgspec.json.decode(file.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be read ({error.strerror}): name the recipe.json or the folder of a run"
        ) from error
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{file} is not valid JSON ({error}): name the recipe.json of a run") from error
    if not isinstance(values, dict):
        raise ConfigurationError(f"{file} is not a JSON object: name the recipe.json of a run")
    return to_settings(values, Recipe, source=str(file))


def compose_recipe(file: Path | None, options: dict[str, Any], run_folder: Path) -> Recipe:
    """The recipe of a new run: `options` by field name, all else from a recipe's file or its run's folder, if given.

    Paths in `options` are relative to the working directory, those in the file to its folder, and those returned to
    `run_folder`, which need not exist; absolute paths stay. ConfigurationError as for `read_recipe`, ModelError if a
    file that the recorded recipe names does not exist.
    """
    file = file / RECIPE_FILE if file and file.is_dir() else file
    values = msgspec.structs.asdict(read_recipe(file) if file else Recipe()) | options
    for name in MODEL_FILE_FIELDS:
        path = values[name]
        if path is None:
            continue
        source = Path() if file is None or name in options else file.parent
        if name not in options and not (source / path).exists():
            raise ModelError(
                f"{file}: {name} {path} does not exist: give another with --{name.replace('_', '-')}, or '' for none"
            )
        if not Path(path).is_absolute():
            values[name] = os.path.relpath((source / path).resolve(), run_folder.resolve())
        if (readable := to_text(Path(values[name]))) != values[name]:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} {readable} cannot be recorded in a recipe, it is not UTF-8: rename the file")
    return Recipe(**values)


def continue_recipe(recorded: Recipe, options: dict[str, Any], run_folder: Path) -> Recipe:
    """The recipe by which an unfinished run goes on: as recorded, with more epochs if `options` say so.

    Paths in `options` are relative to the working directory. UsageError names all other options that differ.
    """
    differing = []
    for name, value in options.items():
        former = getattr(recorded, name)
        if name == "epochs" and value > former:
            continue
        is_file = name in MODEL_FILE_FIELDS and None not in (value, former)
        if Path(value).resolve() != (run_folder / former).resolve() if is_file else value != former:
            differing.append(f"--{name.replace('_', '-')} (it has {former})")
    if differing:
        hint = "leave these options out, or start a new run with another --run"
        raise UsageError(f"{run_folder} was started with other values of {', '.join(differing)}: {hint}")
    return msgspec.structs.replace(recorded, epochs=options.get("epochs", recorded.epochs))
