"""Training data without faces, and one small finished run for all tests that need a model."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples import fer2013_csv, ferplus_csv

from mien.cli import main
from mien.trainer.data.dataset import Dataset
from mien.trainer.data.fer2013 import read_fer2013
from mien.trainer.run_folder import RunFolder


@pytest.fixture(scope="session")
def csv_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "fer2013.csv"
    file.write_text(fer2013_csv())
    return file


@pytest.fixture(scope="session")
def ferplus_file(csv_file: Path) -> Path:
    """FER+'s votes for the same rows."""
    file = csv_file.parent / "fer2013new.csv"
    file.write_text(ferplus_csv())
    return file


@pytest.fixture(scope="session")
def data(csv_file: Path) -> Dataset:
    return read_fer2013(csv_file)


@pytest.fixture(scope="session")
def data_with_votes(data: Dataset) -> Dataset:
    """The data with nine votes for the label and one for the next emotion."""
    votes = 9 * np.eye(7, dtype=np.float32)[data.labels] + np.eye(7, dtype=np.float32)[(data.labels + 1) % 7]
    return replace(data, votes=votes)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory, csv_file: Path, ferplus_file: Path) -> RunFolder:
    """A finished run of three epochs, made with `mien train` itself."""
    folder = tmp_path_factory.mktemp("runs") / "stripes"
    options = ["--labels", "mix", "--epochs", "3", "--batch-size", "14", "--tensorboard"]
    command = ["train", "--data", str(csv_file), "--ferplus", str(ferplus_file), "--run", str(folder), *options]
    assert main(command) == 0
    return RunFolder(folder)
