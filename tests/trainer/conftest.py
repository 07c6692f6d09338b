"""Training data without faces, and one small trained run for all tests that need a model."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from pathlib import Path

import pytest
from samples import fer2013_csv

from mien.trainer.dataset import Dataset
from mien.trainer.fer2013 import read_fer2013


@pytest.fixture(scope="session")
def csv_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "fer2013.csv"
    file.write_text(fer2013_csv())
    return file


@pytest.fixture(scope="session")
def data(csv_file: Path) -> Dataset:
    return read_fer2013(csv_file)
