"""Training data without faces, and one small trained run for all tests that need a model."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples import fer2013_csv, ferplus_csv

from mien.command import main
from mien.trainer.dataset import Dataset
from mien.trainer.fer2013 import read_fer2013
from mien.trainer.run import Run


@pytest.fixture(scope="session")
def csv_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "fer2013.csv"
    file.write_text(fer2013_csv())
    return file


@pytest.fixture(scope="session")
def votes_file(csv_file: Path) -> Path:
    """FER+'s form for the same rows."""
    file = csv_file.parent / "fer2013new.csv"
    file.write_text(ferplus_csv())
    return file


@pytest.fixture(scope="session")
def data(csv_file: Path) -> Dataset:
    return read_fer2013(csv_file)


@pytest.fixture(scope="session")
def voted(data: Dataset) -> Dataset:
    """The data with nine votes for the label and one for the next emotion."""
    votes = 9 * np.eye(7, dtype=np.float32)[data.labels] + np.eye(7, dtype=np.float32)[(data.labels + 1) % 7]
    return replace(data, votes=votes)


@pytest.fixture(scope="session")
def stripes(tmp_path_factory: pytest.TempPathFactory, csv_file: Path, votes_file: Path) -> Run:
    """A finished run of three epochs, made with the command itself."""
    folder = tmp_path_factory.mktemp("runs") / "stripes"
    flags = ["--labels", "mix", "--epochs", "3", "--batch-size", "14", "--tensorboard"]
    command = ["train", "--data", str(csv_file), "--ferplus", str(votes_file), "--run", str(folder), *flags]
    assert main(command) == 0
    return Run(folder)
