"""Rows of a face that has not moved yet wait; nothing is lost of one that moves later."""

from mien.edge.vision.held_rows import MAX_HELD, HeldRows


def test_rows_wait_until_the_face_moves_and_stay_in_order() -> None:
    still = {1, 2}
    skipped: list[int] = []
    held_rows: HeldRows[str] = HeldRows(lambda track: track in still, skipped.append)
    assert held_rows.add(1, "a") == held_rows.add(2, "x") == held_rows.add(1, "b") == []
    still.remove(1)
    assert held_rows.add(1, "c") == ["a", "b", "c"]
    assert held_rows.add(1, "d") == ["d"]
    held_rows.finish()
    assert skipped == [1]
    held_rows.finish()
    assert skipped == [1]


def test_the_oldest_rows_of_a_picture_are_counted_and_dropped() -> None:
    skipped: list[int] = []
    held_rows: HeldRows[int] = HeldRows(lambda track: True, skipped.append)
    for row in range(MAX_HELD + 5):
        assert held_rows.add(1, row) == []
    assert sum(skipped) == 5
    held_rows.finish()
    assert sum(skipped) == MAX_HELD + 5
