from pathlib import Path

import pytest
from samples import fer2013_csv

from mien.cli import main

TRAINING_COUNT, TEST_COUNT = 28_709, 3_589
"""FER-2013's own numbers: 35,887 rows."""


def test_the_report_on_a_file_as_large_as_fer2013(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, html_file = tmp_path / "fer2013.csv", tmp_path / "report.html"
    lines = fer2013_csv(TRAINING_COUNT + TEST_COUNT, TEST_COUNT, distinct_images=350).splitlines()
    for number in range(TRAINING_COUNT + 1, TRAINING_COUNT + TEST_COUNT + 1):
        lines[number] = lines[number].replace("Training", "PrivateTest")
    file.write_text("\n".join(lines) + "\n")
    assert main(["dataset", "report", str(file), "--html", str(html_file)]) == 0
    assert capsys.readouterr().out.strip() == str(html_file)
    html = html_file.read_text()
    assert "<td>28709</td>" in html
    assert html.count("<td>3589</td>") >= 2
    assert html.count("data:image/png;base64,") == 3
    for heading in ("Table I:", "Table II:", "Table III:", "Figure 3:", "Figure 4:", "Figure 5:"):
        assert heading in html
    assert "PublicTest in Training" in html
