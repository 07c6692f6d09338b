"""Ranges of sequence numbers, each with its first and last number included."""

from collections.abc import Iterable, Sequence

SequenceRange = tuple[int, int]
"""First and last number, both included."""


def to_ranges(numbers: Iterable[int]) -> list[SequenceRange]:
    """The consecutive ranges in a set of numbers, ascending: {1, 2, 3, 7} becomes [(1, 3), (7, 7)]."""
    return merge_ranges((number, number) for number in set(numbers))


def merge_ranges(ranges: Iterable[SequenceRange]) -> list[SequenceRange]:
    """The same numbers in as few ranges as possible, ascending."""
    merged: list[SequenceRange] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def subtract_ranges(ranges: Sequence[SequenceRange], excluded: Sequence[SequenceRange]) -> list[SequenceRange]:
    """The numbers that are in `ranges` but not in `excluded`, as ranges."""
    remaining: list[SequenceRange] = []
    gaps = merge_ranges(excluded)
    for first, last in merge_ranges(ranges):
        for gap_first, gap_last in gaps:
            if gap_last < first or gap_first > last:
                continue
            if gap_first > first:
                remaining.append((first, gap_first - 1))
            first = gap_last + 1
        if first <= last:
            remaining.append((first, last))
    return remaining
