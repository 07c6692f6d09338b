import errno
import os
import stat
from pathlib import Path

import pytest

from mien.files.atomic_file import SECRET, atomic_write, move_into_place, write_file, write_secret


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_file_is_written_completely_or_not_at_all(tmp_path: Path, error: BaseException) -> None:
    file = tmp_path / "model.keras"
    file.write_text("old")
    with pytest.raises(type(error)):  # noqa: SIM117, PT012
        with atomic_write(file) as temporary:
            temporary.write_text("half")
            raise error
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_the_new_content_is_on_disk_before_it_replaces_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "acl"
    file.write_text("old")
    content_at_flush: list[str] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        content_at_flush.append(file.read_text())
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", record)
    write_file(file, b"new")
    assert content_at_flush == ["old", "new"]  # the file first, then the entry in its folder
    assert list(tmp_path.iterdir()) == [file]


def test_a_secret_is_never_readable_by_others(tmp_path: Path) -> None:
    file = tmp_path / "device.key"
    file.write_text("old")
    file.chmod(0o644)
    (tmp_path / "part-device.key").touch(0o644)  # left by an interrupted write
    umask = os.umask(0)
    try:
        with atomic_write(file, mode=SECRET) as temporary:
            assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
            temporary.write_text("new")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        write_secret(file, b"newer")
    finally:
        os.umask(umask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes() == b"newer"


def test_without_a_mode_the_umask_decides(tmp_path: Path) -> None:
    umask = os.umask(0o022)
    try:
        write_file(tmp_path / "report.html", b"")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "report.html").stat().st_mode) == 0o644


def test_a_file_system_that_cannot_flush_folders_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr("os.fsync", fsync)
    (tmp_path / "new").write_text("content")
    move_into_place(tmp_path / "new", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "content"
