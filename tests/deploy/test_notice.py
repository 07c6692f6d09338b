"""The notice to print says what is seen and kept, and whom to ask."""

import html
from pathlib import Path

import pytest

from mien.command import main
from mien.emotions import EMOTIONS


def test_it_is_filled_in_by_server_init(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--operator", "Jane & Doe", "--contact", "privacy@example.org", "--purpose", "a <study> of queues"]
    assert main(["server", "init", str(tmp_path / "server"), "--name", "localhost", *given]) == 0
    page = (tmp_path / "server" / "notice.html").read_text()
    for value in given[1::2]:
        assert html.escape(value) in page
    assert "<study>" not in page
    assert 'class="line"' not in page
    for emotion in EMOTIONS:
        assert emotion in page
    assert "Article 50(3)" in page
    told = capsys.readouterr().err
    assert "notice.html" in told
    assert "not at work and not in education" in told


def test_what_is_not_known_is_a_line_to_fill_in_by_hand(tmp_path: Path) -> None:
    assert main(["server", "init", str(tmp_path / "server"), "--name", "localhost"]) == 0
    assert (tmp_path / "server" / "notice.html").read_text().count('class="line"') == 3
