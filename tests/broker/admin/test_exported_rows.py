"""What `mien query --all` wrote is read back, compressed or not; what it did not write is named."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from sample_logs import write_log

from mien.broker.admin.exported_rows import ExportedRow, read_rows
from mien.cli import main
from mien.errors import DataError
from mien.output import print_csv

ROWS: list[dict[str, Any]] = [{"id": f"{number}", "text": text} for number, text in enumerate(("a", "=b", "'c", 'd"}'))]


def to_csv(rows: list[dict[str, Any]]) -> str:
    output = io.StringIO()
    print_csv(rows, file=output)
    return output.getvalue()


EXPORTS = {
    "ndjson": "".join(f"{json.dumps(row)}\n" for row in ROWS),
    "blank lines": "\n".join(["", *(json.dumps(row) for row in ROWS), "", ""]),
    "json": json.dumps(ROWS, indent=1),
    "compact json": json.dumps(ROWS, separators=(",", ":")),
    "csv": to_csv(ROWS),
}


def read(content: bytes) -> tuple[list[ExportedRow], str]:
    """The rows, and the error after them, if any; as from a file, whose first bytes can be looked at."""
    rows: list[ExportedRow] = []
    try:
        rows += (row for row in read_rows(io.BufferedReader(io.BytesIO(content)), "log"))  # type: ignore[arg-type]
    except DataError as error:
        return rows, str(error)
    return rows, ""


@pytest.mark.parametrize("text", EXPORTS.values(), ids=EXPORTS)
def test_rows_are_read_from_every_format(text: str) -> None:
    for content in (text.encode(), gzip.compress(text.encode())):
        rows, error = read(content)
        assert ([row.fields for row in rows], error) == (ROWS, "")


@pytest.mark.parametrize("content", [b"", b"\n", b"[]", b"[\n]\n", b"id,seq\n", gzip.compress(b"", mtime=0)])
def test_an_export_without_rows_has_none(content: bytes) -> None:
    assert read(content) == ([], "")


@pytest.mark.parametrize(
    ("content", "rows_before", "message"),
    [
        (b'{"id": 1}\n{no}\n', 1, "log, line 2: JSON is malformed"),
        (b'{"id": 1}\n{"id": "K\xfcche"}\n', 1, "log, line 2: "),
        (b'[\n{"id": 1},\n{"id"', 1, "log, line 3: the JSON ends before the array does"),
        (b'[\n{"id": 1},\n', 1, "the JSON ends before the array does"),
        (b'[\n{"id": 1},\n{no}\n]' + b" " * 60_000, 1, "log, line 3: the JSON ends before the array does"),
        (b"[[1, 2]]", 0, "Expected `object`"),
        (b'["a", "}"]', 0, "Expected `object`"),
        (b"[" * 100_000, 0, "log, line 1"),
        (b"id,text\n1,a\n2\n", 1, "log, line 3: 1 values instead of 2"),
        (b'id,text\n1,a\n2,"b\n', 1, "log, line 3: unexpected end of data"),
        (b"id,text\n1,a\n2,K\xfcche\n", 1, "log, line 3: it is not UTF-8 but probably Latin-1"),
        (b"emotion,observations\nhappy,1\n", 0, "log does not begin with the columns of observations: import a file"),
        (b"\xff\xfe{\0}", 0, "log is not the UTF-16-LE that it begins as"),
        (gzip.compress(EXPORTS["ndjson"].encode(), mtime=0)[:-9], 0, "log is cut off or damaged"),
        (b"SQLite format 3\0 and pages", 0, "log is a database: export it with"),
        (b"PAR1 and columns", 0, "log is Parquet: export it with --format ndjson"),
        (b"\xfd7zXZ\0 and blocks", 0, "log is compressed with xz: unpack it first, `xz -dc FILE | mien import -`"),
    ],
)
def test_what_is_no_export_is_named_after_the_rows_before_it(content: bytes, rows_before: int, message: str) -> None:
    rows, error = read(content)
    assert message in error
    if rows_before:
        assert len(rows) == rows_before


def test_the_observations_before_a_damaged_place_are_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, file = str(tmp_path / "mien.db"), tmp_path / "log.csv"
    write_log(log, 20)
    assert main(["query", "--db", log, "--all", "--csv"]) == 0
    lines = capsys.readouterr().out.splitlines(keepends=True)
    lines[10] = lines[10].replace(",0.7,", ",high,")
    file.write_text("".join(lines))
    assert main(["import", str(file), "--db", str(tmp_path / "copy.db")]) == 5
    error = capsys.readouterr().err
    assert error.startswith(f"mien: {file}, line 11: Expected `float`")
    lines[10] = ""
    file.write_text("".join(lines))
    assert main(["import", str(file), "--db", str(tmp_path / "copy.db")]) == 0
    assert capsys.readouterr().out == "10 stored, 9 already in the log\n"
