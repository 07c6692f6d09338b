"""The privacy notice says what is seen and stored, and whom to ask."""

import html
from pathlib import Path

import pytest

from mien.cli import main
from mien.emotions import EMOTIONS


def test_it_is_filled_in_by_server_init(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--operator", "Jane & Doe", "--contact", "privacy@example.org", "--purpose", "a <study> of queues"]
    assert main(["server", "init", str(tmp_path / "server"), "--hostname", "localhost", *options]) == 0
    notice = (tmp_path / "server" / "privacy_notice.html").read_text()
    for value in options[1::2]:
        assert html.escape(value) in notice
    assert "<study>" not in notice
    assert 'class="line"' not in notice
    for emotion in EMOTIONS:
        assert emotion in notice
    assert "Article 50(3)" in notice
    output = capsys.readouterr().err
    assert "privacy_notice.html" in output
    assert "do not use mien at work or in education" in output


def test_a_missing_value_is_a_line_to_fill_in_by_hand(tmp_path: Path) -> None:
    assert main(["server", "init", str(tmp_path / "server"), "--hostname", "localhost"]) == 0
    assert (tmp_path / "server" / "privacy_notice.html").read_text().count('class="line"') == 3
