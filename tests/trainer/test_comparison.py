import json
import shutil
from pathlib import Path

import msgspec
import pytest

from mien.command import main
from mien.errors import DataError
from mien.trainer.comparison import compare
from mien.trainer.run import Run


def changed(run: Run, folder: Path, **changes: object) -> Run:
    """A copy of a run with other metrics."""
    shutil.copytree(run.folder, folder)
    metrics = msgspec.structs.replace(run.metrics(), **changes)
    (folder / "metrics.json").write_bytes(msgspec.json.encode(metrics))
    return Run(folder)


@pytest.fixture
def perfect(stripes: Run, tmp_path: Path) -> Run:
    evaluation = msgspec.structs.replace(stripes.metrics().evaluation, accuracy=1.0)
    return changed(stripes, tmp_path / "perfect", answers=stripes.metrics().labels, evaluation=evaluation)


@pytest.fixture
def poor(stripes: Run, tmp_path: Path) -> Run:
    """A run with nine wrong answers among its 35."""
    labels = stripes.metrics().labels
    answers = "".join(str((int(label) + (place < 9)) % 7) for place, label in enumerate(labels))
    evaluation = msgspec.structs.replace(stripes.metrics().evaluation, accuracy=round(26 / 35, 4))
    return changed(stripes, tmp_path / "poor", answers=answers, evaluation=evaluation)


def test_the_best_run_stands_first_and_the_others_are_tested_against_it(poor: Run, perfect: Run) -> None:
    best, other = compare([poor, perfect]).rows
    assert (best.run, best.p_value, best.network) == ("perfect", None, "cnn-bilstm")
    assert (other.run, other.p_value) == ("poor", pytest.approx(2 * 0.5**9, abs=1e-5))


def test_runs_on_other_pictures_are_refused(stripes: Run, tmp_path: Path) -> None:
    other = changed(stripes, tmp_path / "other", labels="0" * 35)
    with pytest.raises(DataError, match="were not scored on the same pictures"):
        compare([stripes, other])


def test_the_table_comes_as_text_json_and_page(
    poor: Run, perfect: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "table.html"
    assert main(["compare", str(poor.folder), str(perfect.folder), "--page", str(page), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["run"] for row in told["rows"]] == ["perfect", "poor"]
    assert "McNemar" in page.read_text()
    assert main(["compare", str(poor.folder), str(perfect.folder)]) == 0
    shown = capsys.readouterr().out
    assert shown.index("perfect") < shown.index("poor")
