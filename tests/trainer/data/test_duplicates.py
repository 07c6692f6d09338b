import numpy as np

from mien.trainer.data.dataset import Dataset
from mien.trainer.data.duplicates import content_ids, duplicates_across_splits


def test_equal_images_have_equal_ids_and_a_changed_pixel_another() -> None:
    images = np.zeros((3, 48, 48), np.uint8)
    images[2, 47, 47] = 1
    ids = content_ids(images)
    assert ids[0] == ids[1] != ids[2]


def test_copies_across_splits_are_counted_both_ways(data_with_copies: Dataset) -> None:
    assert duplicates_across_splits(data_with_copies) == {"Training in PublicTest": 2, "PublicTest in Training": 2}
