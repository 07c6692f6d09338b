"""The commands of docs/training.md, in order, on small data without faces and for fewer epochs."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import shlex
from pathlib import Path

import pytest
from code_blocks import ROOT, read_blocks
from samples import fer2013_csv, ferplus_csv

from mien.cli import main
from mien.trainer.run_folder import RunFolder

pytestmark = pytest.mark.timeout(1200)

SHORTER = ["--epochs", "3", "--batch-size", "14"]


def folders(pattern: str) -> list[str]:
    """As a shell expands `FOLDER/*/`."""
    return sorted(str(path) for path in ROOT.glob(pattern.rstrip("/")) if path.is_dir())


def test_the_commands_train_resume_repeat_prolong_and_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line, `pip install`, needs packages from the network."""
    (tmp_path / "fer2013.csv").write_text(fer2013_csv())
    (tmp_path / "fer2013new.csv").write_text(ferplus_csv())
    monkeypatch.chdir(tmp_path)
    lines = [
        line
        for block in read_blocks(ROOT / "docs" / "training.md")
        for line in block.text.splitlines()
        if line.split()[0] not in block.skipped_words
    ]
    assert lines[0] == "pip install '.[trainer]'"
    for line in lines[1:]:
        words = shlex.split(line, comments=True)[1:]
        arguments = [path for word in words for path in (folders(word) if "*" in word else [word])]
        if "--resume" in arguments:  # as if it had been killed before the end of its first epoch
            run = RunFolder(tmp_path / "runs" / "mine")
            for file in (run.metrics_file, run.model_file, run.history_file):
                file.unlink()
        elif "--init-from" in arguments:
            arguments += ["--epochs", "1"]
        elif arguments[0] == "train" and "--recipe" not in arguments:
            arguments += SHORTER
        assert main(arguments) == 0, line
    assert (tmp_path / "data.html").stat().st_size > 10_000
    first, again, longer = (RunFolder(tmp_path / "runs" / name) for name in ("mine", "again", "longer"))
    assert again.read_recipe() == first.read_recipe()
    assert first.read_recipe().labels == "mix"
    assert len(longer.history_file.read_text().splitlines()) == 2
    assert (tmp_path / "mine.tflite").exists()
    assert list((tmp_path / "figures").glob("*.png"))
