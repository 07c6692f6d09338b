import errno
from pathlib import Path

import pytest

from mien.errors import TrainingError
from mien.trainer.whole_file import written_whole


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "model.keras"
    file.write_text("old")
    with pytest.raises(TrainingError, match=r"model.keras cannot be written \(No space left on device\): make room"):  # noqa: SIM117, PT012
        with written_whole(file) as part:
            part.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
