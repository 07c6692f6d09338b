"""Rows are printed as a table, CSV, JSON or NDJSON, and never as control sequences."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from mien.output import print_csv, print_json, print_line, print_ndjson, print_table, to_plain_rows

HOUR = datetime(2026, 11, 22, 14, tzinfo=UTC)
ROWS: list[dict[str, Any]] = [
    {"hour": HOUR, "name": "hall[way]", "score": 0.756, "count": 3, "error": None},
    {"hour": HOUR.replace(hour=15), "name": "\x1b[31mred", "score": 1.0, "count": 12, "error": "lost"},
]


def table_cells(output: str) -> list[list[str]]:
    lines = [line for line in output.splitlines() if line.startswith(("┃", "│"))]
    return [[cell.strip() for cell in line.strip("┃│").replace("┃", "│").split("│")] for line in lines]


def test_a_table_has_a_column_for_each_key_and_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(ROWS, minute_columns=("hour",), note="two rows", title="rooms")
    output = capsys.readouterr().out
    assert table_cells(output) == [
        ["hour", "name", "score", "count", "error"],
        ["2026-11-22 14:00", "hall[way]", "0.76", "3", "None"],
        ["2026-11-22 15:00", "?[31mred", "1.00", "12", "lost"],
    ]
    assert output.strip().splitlines()[0].strip() == "rooms"
    assert output.splitlines()[-1] == "two rows"
    assert "\x1b" not in output


def test_a_table_can_have_fewer_columns_with_numbers_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(ROWS, columns=("count", "error"), right_columns=("error",))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("┃", "│"))]
    assert lines == ["┃ count ┃ error ┃", "│     3 │  None │", "│    12 │  lost │"]


def test_without_rows_only_the_empty_text_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([], note="not printed", empty="no rooms")
    assert capsys.readouterr().out == "no rooms\n"
    print_csv([], columns=("name", "count"))
    assert capsys.readouterr().out == "name,count\n"
    print_csv([])
    print_ndjson([])
    assert capsys.readouterr().out == ""
    print_json([])
    assert capsys.readouterr().out == "[]\n"


def test_csv_and_json_have_the_same_values(capsys: pytest.CaptureFixture[str]) -> None:
    print_csv(iter(ROWS), minute_columns=("hour",))
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    print_json(iter(ROWS), minute_columns=("hour",))
    array = json.loads(capsys.readouterr().out)
    print_ndjson(iter(ROWS), minute_columns=("hour",))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert array == lines
    assert [row["hour"] for row in array] == ["2026-11-22T14:00:00+00:00", "2026-11-22T15:00:00+00:00"]
    assert table == [{name: "" if value is None else str(value) for name, value in row.items()} for row in array]


def test_an_array_is_complete_even_if_its_rows_end_early(capsys: pytest.CaptureFixture[str]) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"name": "hallway"}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        print_json(rows())
    assert json.loads(capsys.readouterr().out) == [{"name": "hallway"}]


def test_values_of_all_kinds_become_json() -> None:
    identifier = UUID(int=7)
    (row,) = to_plain_rows([{"at": HOUR, "day": date(2026, 11, 22), "hash": b"\x01\xff", "id": identifier, "on": True}])
    assert row == {
        "at": "2026-11-22T14:00:00.000+00:00",
        "day": "2026-11-22",
        "hash": "01ff",
        "id": str(identifier),
        "on": True,
    }


def test_a_line_has_the_cells_of_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_line(ROWS[1], columns=("name", "score"))
    assert capsys.readouterr().out == "?[31mred    1.00\n"


def test_no_text_in_csv_is_a_formula_for_a_spreadsheet(capsys: pytest.CaptureFixture[str]) -> None:
    starts = ("=", "+", "-", "@", "\t", "\r")
    rows = [
        {"text": f"{start}HYPERLINK(1)", "number": -1.5, "exact": Decimal("-2.50"), "@name": ""} for start in starts
    ]
    print_csv(rows)
    header, *cells = csv.reader(io.StringIO(capsys.readouterr().out, newline=""))
    assert header == ["text", "number", "exact", "'@name"]
    assert [text for text, *_ in cells] == [f"'{start}HYPERLINK(1)" for start in starts]
    assert {tuple(rest) for _, *rest in cells} == {("-1.5", "-2.50", "")}


def test_a_line_break_in_text_does_not_begin_a_row_in_csv(capsys: pytest.CaptureFixture[str]) -> None:
    texts = ["a\r=1", "a\n=1", "a\r\n=1", "a\r\n"]
    print_csv([{"text": text} for text in texts])
    output = capsys.readouterr().out
    assert list(csv.reader(io.StringIO(output, newline=""))) == [["text"], *([text] for text in texts)]


def test_text_that_is_no_formula_is_unchanged_in_csv(capsys: pytest.CaptureFixture[str]) -> None:
    print_csv([{"text": text} for text in ("a=b", "", "'=", "2026-11-22")])
    assert capsys.readouterr().out == 'text\na=b\n""\n\'=\n2026-11-22\n'
