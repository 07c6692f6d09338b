import json
import shutil
from pathlib import Path

import msgspec
import pytest

from mien.cli import main
from mien.errors import DataError
from mien.trainer.report.comparison import compare_runs
from mien.trainer.run_folder import RunFolder


def copy_with_metrics(run: RunFolder, folder: Path, **changes: object) -> RunFolder:
    """A copy of a run with other metrics."""
    shutil.copytree(run.path, folder)
    metrics = msgspec.structs.replace(run.read_metrics(), **changes)
    (folder / "metrics.json").write_bytes(msgspec.json.encode(metrics))
    return RunFolder(folder)


@pytest.fixture
def perfect_run(finished_run: RunFolder, tmp_path: Path) -> RunFolder:
    metrics = finished_run.read_metrics()
    evaluation = msgspec.structs.replace(metrics.evaluation, accuracy=1.0)
    return copy_with_metrics(finished_run, tmp_path / "perfect", predictions=metrics.labels, evaluation=evaluation)


@pytest.fixture
def poor_run(finished_run: RunFolder, tmp_path: Path) -> RunFolder:
    """A run with nine wrong predictions among its 35."""
    metrics = finished_run.read_metrics()
    predictions = "".join(str((int(label) + (index < 9)) % 7) for index, label in enumerate(metrics.labels))
    evaluation = msgspec.structs.replace(metrics.evaluation, accuracy=round(26 / 35, 4))
    return copy_with_metrics(finished_run, tmp_path / "poor", predictions=predictions, evaluation=evaluation)


def test_the_best_run_comes_first_and_the_others_are_tested_against_it(
    poor_run: RunFolder, perfect_run: RunFolder
) -> None:
    first, second = compare_runs([poor_run, perfect_run]).rows
    assert (first.run, first.p_value, first.network) == ("perfect", None, "cnn-bilstm")
    assert second.run == "poor"
    assert second.p_value == pytest.approx(2 * 0.5**9, abs=1e-5)


def test_runs_on_other_images_are_refused(finished_run: RunFolder, tmp_path: Path) -> None:
    other_run = copy_with_metrics(finished_run, tmp_path / "other", labels="0" * 35)
    with pytest.raises(DataError, match="were not evaluated on the same images"):
        compare_runs([finished_run, other_run])


def test_the_comparison_is_available_as_text_json_and_html(
    poor_run: RunFolder, perfect_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    html = tmp_path / "comparison.html"
    command = ["model", "compare", str(poor_run.path), str(perfect_run.path)]
    assert main([*command, "--html", str(html), "--json"]) == 0
    comparison = json.loads(capsys.readouterr().out)
    assert comparison["title"] == "35 PublicTest images of fer2013.csv"
    assert [row["run"] for row in comparison["rows"]] == ["perfect", "poor"]
    assert "McNemar" in html.read_text()
    assert main(command) == 0
    text = capsys.readouterr().out
    assert text.index("perfect") < text.index("poor")


def test_runs_that_were_measured_under_corruptions_are_compared_under_them(
    poor_run: RunFolder, perfect_run: RunFolder, tmp_path: Path
) -> None:
    html = tmp_path / "comparison.html"
    command = ["model", "compare", str(poor_run.path), str(perfect_run.path), "--html", str(html)]
    assert main(command) == 0
    assert "Corruptions" not in html.read_text()
    measured = {"images": 35, "mien_clean": 0.9, "mien_blur_0.7": 0.8, "mien_blur_0.7_ece": 0.01, "fer_clean": 0.7}
    poor_run.corruptions_file.write_text(json.dumps(measured | {"mien_worst": "blur 0.7"}))
    assert compare_runs([poor_run, perfect_run]).corruptions == {"poor": {"clean": 0.9, "blur 0.7": 0.8}}
    assert main(command) == 0
    report = html.read_text()
    assert "<td>blur 0.7</td><td>80.0%</td>" in report
    assert report.count("data:image/png;base64,") == 1
    poor_run.corruptions_file.write_text("{")
    with pytest.raises(DataError, match=r"corruptions.json cannot be read .* measure it again"):
        compare_runs([poor_run, perfect_run])
