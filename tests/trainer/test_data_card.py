from pathlib import Path

import pytest
from samples import fer2013_csv

from mien.command import main

TRAINING, TESTS = 28_709, 3_589
"""FER-2013's own numbers: 35,887 rows."""


def test_the_card_of_a_file_as_large_as_fer2013(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, page = tmp_path / "fer2013.csv", tmp_path / "card.html"
    lines = fer2013_csv(TRAINING + TESTS, TESTS, kinds=350).splitlines()
    for number in range(TRAINING + 1, TRAINING + TESTS + 1):
        lines[number] = lines[number].replace("Training", "PrivateTest")
    file.write_text("\n".join(lines) + "\n")
    assert main(["data", str(file), "--page", str(page)]) == 0
    assert capsys.readouterr().out.strip() == str(page)
    shown = page.read_text()
    assert "<td>28709</td>" in shown
    assert shown.count("<td>3589</td>") >= 2
    assert shown.count("data:image/png;base64,") == 3
    for heading in ("Table I:", "Table II:", "Table III:", "Figure 3:", "Figure 4:", "Figure 5:"):
        assert heading in shown
    assert "PublicTest in Training" in shown
