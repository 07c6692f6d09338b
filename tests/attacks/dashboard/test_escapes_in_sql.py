"""`mien query --sql` with escape sequences in values, names of columns and errors: none controls the terminal."""

import pytest

from mien.cli import main


def test_no_text_of_a_result_controls_the_terminal(reading: str, capsys: pytest.CaptureFixture[str]) -> None:
    escape = "\x1b]0;owned\x07"
    assert main(["query", "--db", reading, "--sql", f"SELECT '{escape}' AS \"{escape}name\""]) == 0
    output = capsys.readouterr().out
    assert "?]0;owned?name" in output
    assert main(["query", "--db", reading, "--sql", f'SELECT no_such_function("{escape}")']) == 2
    printed = capsys.readouterr()
    for character in "\x1b\x07":
        assert character not in output + printed.out + printed.err
