"""`mien query --sql` with a statement that is endless or huge: it is stopped within limited time and memory."""

import resource
import subprocess
import sys

import pytest

from mien.broker.query import EmotionLog
from mien.cli import main
from mien.errors import QueryTimeout


def with_numbers(select: str) -> str:
    """SQL with a table n of a hundred million numbers x."""
    return f"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100000000) {select}"  # noqa: S608 (only for this test)


SEARCH = """
    WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n),
    text(t) AS (SELECT replace(hex(zeroblob(100000)), '0', 'a'))
    SELECT max(instr(t || x, substr(t, 100001) || 'b')) FROM n, text
"""
SCALAR_SUBQUERIES = " + ".join(f"length((SELECT randomblob(1000000) || {number}))" for number in range(90))
HUGE_ON_SQLITE = {
    "one value": "SELECT randomblob(900000000)",
    "one text": with_numbers("SELECT group_concat(x) FROM n"),
    "many values": with_numbers("SELECT hex(randomblob(400000)) FROM n"),
    "many rows": with_numbers("SELECT x FROM n"),
    "many columns": "SELECT " + ", ".join(["hex(randomblob(400000))"] * 500),
    "many arguments": f"SELECT max({', '.join(['hex(randomblob(400000))'] * 100)})",
}
HUGE_ON_POSTGRESQL = {
    "one value": "SELECT repeat('x', 1000000000)",
    "many values": "SELECT repeat('x', 1000000) FROM generate_series(1, 100000000)",
    "many rows": "SELECT generate_series(1, 100000000)",
}
HUGE = [("sqlite", name) for name in HUGE_ON_SQLITE] + [("postgresql", name) for name in HUGE_ON_POSTGRESQL]


def query(log: str, statement: str, *options: str) -> tuple[int, str, int]:
    """The exit code of `mien query` as a process of its own, what it printed on stderr, and its peak memory in MiB."""
    # Not ru_maxrss, which begins with the memory of the process that started this one.
    code = (
        "import sys; from mien.cli import main; code = main(sys.argv[1:]); "
        "(peak,) = (line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')); "
        "print('peak', int(peak) // 1024, file=sys.stderr); sys.exit(code)"
    )
    arguments = [sys.executable, "-c", code, "query", "--db", log, "--sql", statement, *options]
    result = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=120)
    output, _, peak = result.stderr.rpartition("peak ")
    return result.returncode, output, int(peak)


@pytest.mark.slow_attack
@pytest.mark.parametrize(("log", "name"), HUGE, indirect=["log"])
def test_a_huge_result_is_refused_within_limited_memory(reading: str, name: str) -> None:
    statements = HUGE_ON_POSTGRESQL if "://" in reading else HUGE_ON_SQLITE
    code, output, peak_mib = query(reading, statements[name], "--csv", "--timeout-s", "10")
    assert code in (2, 11), output
    assert output.startswith("mien: ")
    assert len(output.splitlines()) == 1
    assert peak_mib < 2500
    if name == "many rows":
        assert peak_mib < 300
        assert "returns more than 100000 rows" in output


@pytest.mark.parametrize("log", ["sqlite"], indirect=True)
def test_values_of_a_row_do_not_add_up_without_end(reading: str) -> None:
    code, _, peak_mib = query(reading, f"SELECT {SCALAR_SUBQUERIES}")
    assert code == 0
    assert peak_mib < 500


@pytest.mark.parametrize("log", ["sqlite"], indirect=True)
def test_functions_that_search_long_texts_are_stopped_at_the_time_limit(reading: str) -> None:
    with EmotionLog(reading, timeout_s=0.5) as emotion_log, pytest.raises(QueryTimeout):
        emotion_log.sql(SEARCH)


def test_the_memory_limit_ends_with_the_query(reading: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    assert main(["query", "--db", reading, "--sql", "SELECT 1 AS one", "--csv"]) == 0
    assert capsys.readouterr().out == "one\n1\n"
    assert resource.getrlimit(resource.RLIMIT_AS) == before


@pytest.mark.parametrize("log", ["sqlite"], indirect=True)
def test_a_table_of_many_rows_is_cut(reading: str, capsys: pytest.CaptureFixture[str]) -> None:
    statement = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5000) SELECT x FROM n"
    assert main(["query", "--db", reading, "--sql", statement]) == 0
    printed = capsys.readouterr()
    assert "the first 1000 of 5000 rows: add --csv for all" in printed.err
    assert "│ 1000 │" in printed.out
    assert "1001" not in printed.out
