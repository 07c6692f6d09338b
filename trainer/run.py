"""One training run's folder: recipe, environment, history, checkpoint, model and metrics, each written whole or not."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from mien.errors import DataError, UsageError

from .evaluation import Report
from .settings import Recipe
from .whole_file import written_whole

Content = TypeVar("Content")
DATA = "data_sha256"
"""The name of the data's digest in an environment."""


class Metrics(Struct, frozen=True, kw_only=True):
    """What came out of a run."""

    parameters: int
    calibration: str
    evaluation: Report
    """Of the Keras model on the split that only reports."""
    labels: str
    """That split's labels, a digit each."""
    answers: str
    """The model's answers there, a digit each: enough to compare it with another by McNemar's test."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder and the files in it."""

    folder: Path

    @property
    def recipe_file(self) -> Path:
        return self.folder / "config.json"

    @property
    def environment_file(self) -> Path:
        return self.folder / "environment.json"

    @property
    def checkpoint_file(self) -> Path:
        """Network, weight average and optimizer after the last whole epoch."""
        return self.folder / "checkpoint.keras"

    @property
    def best_file(self) -> Path:
        """The weight average after the best epoch so far."""
        return self.folder / "best.keras"

    @property
    def history_file(self) -> Path:
        return self.folder / "history.csv"

    @property
    def model_file(self) -> Path:
        """The finished, calibrated model; there only when the training has ended."""
        return self.folder / "model.keras"

    @property
    def metrics_file(self) -> Path:
        return self.folder / "metrics.json"

    @property
    def report_file(self) -> Path:
        return self.folder / "report.html"

    def check_new(self) -> None:
        """UsageError if a run stands here already."""
        if self.recipe_file.exists():
            raise UsageError(f"{self.folder} holds a run already: go on with --resume, or name another folder")

    def begin(self, recipe: Recipe, environment: dict[str, str]) -> None:
        """Make the folder for a new run. UsageError if one stands there already or the folder cannot be made."""
        self.check_new()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{self.folder} cannot be made ({error.strerror}): name another --run") from error
        _write_json(self.environment_file, environment)
        _write_json(self.recipe_file, recipe)

    def check_data(self, digest: str) -> None:
        """DataError if the run began with other data: its held-out pictures would be others."""
        if self.environment().get(DATA) != digest:
            raise DataError(f"{self.folder} began with other data: give the same --data and --ferplus as then")

    def end(self, metrics: Metrics) -> None:
        """Write the metrics and remove what was needed only to go on."""
        _write_json(self.metrics_file, metrics)
        for name in (self.checkpoint_file.name, self.best_file.name):
            for file in self.folder.rglob(name):  # HERO's members have theirs
                file.unlink()

    def resumable(self) -> Recipe:
        """The recipe of the unfinished run that stands here. UsageError if there is none or it has ended."""
        if self.metrics_file.exists():
            raise UsageError(f"{self.folder} holds a finished run: export it, or name another folder")
        return self.recipe()

    def recipe(self) -> Recipe:
        """The recipe of the run that stands here. UsageError if there is none, DataError if it is damaged."""
        return _read_json(self.recipe_file, Recipe, self.folder)

    def environment(self) -> dict[str, str]:
        """What the run began on. Errors as for `recipe`."""
        return _read_json(self.environment_file, dict[str, str], self.folder)

    def metrics(self) -> Metrics:
        """What came out of the run. UsageError if there is none or it has not ended, DataError if it is damaged."""
        return _read_json(self.metrics_file, Metrics, self.folder)


def _write_json(file: Path, content: object) -> None:
    with written_whole(file) as part:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")


def _read_json(file: Path, kind: type[Content], folder: Path) -> Content:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except OSError as error:
        if (folder / "config.json").exists():
            cure = "it has not ended: go on with `mien train --resume`"
        else:
            cure = f"it holds no run: start one with `mien train --run {folder}`"
        raise UsageError(f"{file} cannot be read ({error.strerror}), {cure}") from error
    except msgspec.MsgspecError as error:
        raise DataError(f"{file} is damaged or of another release ({error}): train anew in another folder") from error
