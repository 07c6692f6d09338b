"""One training run's folder: recipe, checkpoint, history, model and metrics, each written whole or not at all."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from mien.errors import DataError, UsageError

from .settings import Recipe
from .whole_file import written_whole


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder and the files in it."""

    folder: Path

    @property
    def recipe_file(self) -> Path:
        return self.folder / "config.json"

    @property
    def checkpoint_file(self) -> Path:
        """Network, weight average and optimizer after the last whole epoch."""
        return self.folder / "checkpoint.keras"

    @property
    def history_file(self) -> Path:
        return self.folder / "history.csv"

    @property
    def model_file(self) -> Path:
        """The finished model; there only when the run has ended."""
        return self.folder / "model.keras"

    def begin(self, recipe: Recipe) -> None:
        """Make the folder for a new run. UsageError if one stands there already."""
        if self.recipe_file.exists():
            raise UsageError(f"{self.folder} holds a run already: go on with --resume, or name another folder")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with written_whole(self.recipe_file) as part:
                part.write_bytes(msgspec.json.format(msgspec.json.encode(recipe)) + b"\n")
        except OSError as error:
            raise UsageError(f"{self.folder} cannot be written ({error.strerror}): name another --run") from error

    def resumable(self) -> Recipe:
        """The recipe of the unfinished run that stands here. UsageError if there is none or it has ended."""
        if self.model_file.exists():
            raise UsageError(f"{self.folder} holds a finished run: export it, or name another folder")
        return self.recipe()

    def recipe(self) -> Recipe:
        """The recipe of the run that stands here. UsageError if there is none, DataError if it is damaged."""
        try:
            return msgspec.json.decode(self.recipe_file.read_bytes(), type=Recipe)
        except FileNotFoundError as error:
            raise UsageError(f"{self.folder} holds no run: start one with `mien train --run {self.folder}`") from error
        except msgspec.MsgspecError as error:
            raise DataError(f"{self.recipe_file} is damaged ({error}): start a new run in another folder") from error
