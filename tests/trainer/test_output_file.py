import errno
from pathlib import Path

import pytest

from mien.errors import TrainingError
from mien.trainer.output_file import output_file


def test_a_file_is_written_completely_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "model.keras"
    file.write_text("old")
    message = r"model.keras cannot be written \(No space left on device\): free some disk space"
    with pytest.raises(TrainingError, match=message):  # noqa: SIM117, PT012
        with output_file(file) as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
