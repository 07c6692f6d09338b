import pytest

from mien.errors import DataError
from mien.trainer.data.dataset import Dataset


def test_a_missing_split_is_reported_with_the_existing_ones(data: Dataset) -> None:
    with pytest.raises(DataError, match="has no PrivateTest images, only PublicTest, Training"):
        data.split("PrivateTest")
