from pathlib import Path

import pytest

from mien.trainer.whole_file import written_whole


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "model.keras"
    file.write_text("old")
    with pytest.raises(OSError), written_whole(file) as part:  # noqa: PT011, PT012 (a disk that fills up)
        part.write_text("half")
        raise OSError("No space left on device")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]
