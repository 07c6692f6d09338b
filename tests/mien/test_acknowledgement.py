from uuid import uuid4

import pytest

from mien.acknowledgement import Acknowledgement, decode, encode, ranges


@pytest.mark.parametrize(
    ("numbers", "runs"),
    [([], []), ([4], [(4, 4)]), ([3, 1, 2], [(1, 3)]), ([1, 2, 4, 5, 9, 2], [(1, 2), (4, 5), (9, 9)])],
)
def test_ranges_never_bridge_a_missing_number(numbers: list[int], runs: list[tuple[int, int]]) -> None:
    assert ranges(numbers) == runs


def test_an_acknowledgement_survives_the_wire() -> None:
    answer = Acknowledgement(outbox=uuid4(), stored=[(1, 3)], rejected=[(4, "no emotion")])
    assert decode(encode(answer)) == answer
