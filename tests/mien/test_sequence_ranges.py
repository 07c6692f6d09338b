import pytest

from mien.sequence_ranges import SequenceRange, merge_ranges, subtract_ranges, to_ranges


@pytest.mark.parametrize(
    ("numbers", "ranges"),
    [([], []), ([4], [(4, 4)]), ([3, 1, 2], [(1, 3)]), ([1, 2, 4, 5, 9, 2], [(1, 2), (4, 5), (9, 9)])],
)
def test_ranges_never_bridge_a_missing_number(numbers: list[int], ranges: list[SequenceRange]) -> None:
    assert to_ranges(numbers) == ranges


def test_ranges_that_overlap_or_touch_are_merged() -> None:
    assert merge_ranges([(7, 9), (1, 3), (2, 5), (10, 10)]) == [(1, 5), (7, 10)]


@pytest.mark.parametrize(
    ("excluded", "remaining"),
    [
        ([], [(1, 9)]),
        ([(4, 5)], [(1, 3), (6, 9)]),
        ([(0, 1), (9, 12)], [(2, 8)]),
        ([(1, 4), (3, 9)], []),
        ([(20, 30)], [(1, 9)]),
    ],
)
def test_subtracting_leaves_the_numbers_that_are_not_excluded(
    excluded: list[SequenceRange], remaining: list[SequenceRange]
) -> None:
    assert subtract_ranges([(1, 9)], excluded) == remaining
