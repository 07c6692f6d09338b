"""Each code block of the documents is run by a test or says why not."""

import pytest
from code_blocks import ROOT, Block, all_blocks, count_marks

BLOCKS = all_blocks()


def test_each_mark_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    """A block without a mark is run with its page, by test_pages.py, which knows every document."""
    wrong = [f"{block}: {block.mark}" for block in BLOCKS if block.mark and not (block.reason or block.other_test)]
    assert wrong == [], "write `not run: REASON`, `not run, WORD, WORD: REASON` or `run by tests/FILE`"
    with capsys.disabled():
        print(f"\n{count_marks()}")


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.other_test], ids=str)
def test_the_test_that_runs_a_block_names_what_it_runs(block: Block) -> None:
    assert block.other_test is not None
    test = (ROOT / block.other_test).read_text(encoding="utf-8")
    command = next(line for line in block.text.splitlines() if line.strip())
    assert command.removeprefix("make ").split()[0] in test


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.skipped_words], ids=str)
def test_the_lines_that_are_not_run_exist(block: Block) -> None:
    first_words = {line.split()[0] for line in block.text.splitlines() if line.strip()}
    assert block.skipped_words < first_words


def test_most_blocks_are_run() -> None:
    assert sum(block.is_run_with_its_page for block in BLOCKS) > len(BLOCKS) / 2 > 10
