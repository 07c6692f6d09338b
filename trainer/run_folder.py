"""A training run's folder: recipe, environment, history, checkpoint, model and metrics, each written atomically."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from mien.errors import DataError, UsageError
from mien.trainer.evaluation.evaluation import EvaluationReport

from .output_file import output_file
from .recipe import ModelFile, Recipe
from .recipe_file import RECIPE_FILE, read_recipe

Content = TypeVar("Content")
DATA_DIGEST_KEY = "data_sha256"
"""The key of the data's digest in an environment."""


class Metrics(Struct, frozen=True, kw_only=True):
    """The outcome of a run."""

    parameters: int
    calibration: str
    evaluation: EvaluationReport
    """Of the Keras model on the test split, which influences nothing."""
    labels: str
    """The labels of that split, one digit each."""
    predictions: str
    """The model's predictions on it, one digit each: enough to compare two models by McNemar's test."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run's folder and the files in it."""

    path: Path

    @property
    def recipe_file(self) -> Path:
        return self.path / RECIPE_FILE

    @property
    def environment_file(self) -> Path:
        return self.path / "environment.json"

    @property
    def checkpoint_file(self) -> Path:
        """Network, EMA of the weights and optimizer after the last complete epoch."""
        return self.path / "checkpoint.keras"

    @property
    def best_file(self) -> Path:
        """The EMA of the weights after the best epoch so far."""
        return self.path / "best.keras"

    @property
    def history_file(self) -> Path:
        return self.path / "history.csv"

    @property
    def model_file(self) -> Path:
        """The finished, calibrated model; exists only after the training has ended."""
        return self.path / "model.keras"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.json"

    @property
    def corruptions_file(self) -> Path:
        """What benchmarks/corruptions.py has measured; most runs have none."""
        return self.path / "corruptions.json"

    @property
    def report_file(self) -> Path:
        return self.path / "report.html"

    def subfolder(self, name: str) -> "RunFolder":
        """The folder of one of the run's parts, which is created: one of HERO's members, a stage or a round."""
        part = RunFolder(self.path / name)
        part.path.mkdir(parents=True, exist_ok=True)
        return part

    def locate(self, model_file: ModelFile) -> Path:
        """The absolute path of a file that this run's recipe names."""
        return (self.path / model_file).resolve()

    def check_new(self) -> None:
        """UsageError if the folder already contains a run."""
        if self.recipe_file.exists():
            raise UsageError(f"{self.path} already contains a run: continue it with --resume or name another folder")

    def create(self, recipe: Recipe, environment: dict[str, str]) -> None:
        """Create the folder of a new run. UsageError if it already contains one or cannot be created."""
        self.check_new()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{self.path} cannot be created ({error.strerror}): name another --run") from error
        _write_json(self.environment_file, environment)
        self.write_recipe(recipe)

    def write_recipe(self, recipe: Recipe) -> None:
        """Record the recipe, also that of a run that goes on for more epochs than it was started for."""
        _write_json(self.recipe_file, recipe)

    def check_same_data(self, digest: str) -> None:
        """DataError if the run was started with other data: its held-out images would differ."""
        if self.read_environment().get(DATA_DIGEST_KEY) != digest:
            raise DataError(f"{self.path} was started with other data: give the same --data and --ferplus again")

    def finish(self, metrics: Metrics) -> None:
        """Write the metrics and remove the files that only resuming needs."""
        _write_json(self.metrics_file, metrics)
        for name in (self.checkpoint_file.name, self.best_file.name):
            for file in self.path.rglob(name):  # the run's parts have theirs
                file.unlink()

    def read_unfinished_recipe(self) -> Recipe:
        """The recipe of an unfinished run. UsageError if there is no run or it is finished."""
        if self.metrics_file.exists():
            raise UsageError(
                f"{self.path} contains a finished run: export it, or prolong it by N epochs in a new folder, with "
                f"`mien train --run NEW --recipe {self.path} --init-from {self.model_file} --epochs N`"
            )
        return self.read_recipe()

    def read_recipe(self) -> Recipe:
        """The run's recipe. UsageError if there is no run, ConfigurationError if the file is damaged."""
        _check_started(self)
        return read_recipe(self.recipe_file)

    def read_environment(self) -> dict[str, str]:
        """The environment that the run was started in. Errors as for `read_metrics`."""
        return _read_json(self.environment_file, dict[str, str], self)

    def read_metrics(self) -> Metrics:
        """The run's metrics. UsageError if there is no run or it is unfinished, DataError if the file is damaged."""
        return _read_json(self.metrics_file, Metrics, self)

    def read_corruptions(self) -> dict[str, float | str]:
        """What benchmarks/corruptions.py has measured of the exported model; empty if it has not.

        DataError if the file cannot be read.
        """
        if not self.corruptions_file.exists():
            return {}
        try:
            return msgspec.json.decode(self.corruptions_file.read_bytes(), type=dict[str, float | str])
        except (OSError, msgspec.MsgspecError) as error:
            hint = "measure it again with benchmarks/corruptions.py --json, or remove it"
            raise DataError(f"{self.corruptions_file} cannot be read ({error}): {hint}") from error


def _write_json(file: Path, content: object) -> None:
    with output_file(file) as part:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")


def _check_started(run: RunFolder) -> None:
    if not run.recipe_file.exists():
        hint = f"the folder contains no run, start one with `mien train --run {run.path}`"
        raise UsageError(f"{run.recipe_file} does not exist: {hint}")


def _read_json(file: Path, content_type: type[Content], run: RunFolder) -> Content:
    try:
        return msgspec.json.decode(file.read_bytes(), type=content_type)
    except OSError as error:
        _check_started(run)
        hint = "the run is unfinished, continue it with `mien train --resume`"
        raise UsageError(f"{file} cannot be read ({error.strerror}): {hint}") from error
    except msgspec.MsgspecError as error:
        raise DataError(
            f"{file} is damaged or was written by another release ({error}): train again in another folder"
        ) from error
