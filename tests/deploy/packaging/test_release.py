"""A release has the same bytes each time, and is built from a commit only."""

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from mien.deploy.packaging.release import check_clean, normalize_sdist
from mien.errors import UsageError


def archive(names: list[str], *, mtime: int, owner: str) -> bytes:
    content = BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uname, member.uid, member.mode = len(name), mtime, owner, mtime, 0o600
            tar.addfile(member, BytesIO(name.encode()))
    return content.getvalue()


def test_a_source_archive_does_not_depend_on_who_built_it_and_when() -> None:
    one = normalize_sdist(archive(["mien/a.py", "mien/b.sh"], mtime=1_000, owner="jane"), 5_000)
    other = normalize_sdist(archive(["mien/b.sh", "mien/a.py"], mtime=2_000, owner="joe"), 5_000)
    assert one == other
    with tarfile.open(fileobj=BytesIO(one)) as tar:
        assert [(member.name, member.mtime, member.uname) for member in tar] == [
            ("mien/a.py", 5_000, ""),
            ("mien/b.sh", 5_000, ""),
        ]
        content = tar.extractfile("mien/a.py")
        assert content is not None
        assert content.read() == b"mien/a.py"


def test_a_release_is_built_from_a_commit(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-m", "x", "--date=@1700000000")
    assert check_clean(tmp_path) > 1_700_000_000
    (tmp_path / "file").write_text("2")
    with pytest.raises(UsageError, match="file: commit them first"):
        check_clean(tmp_path)
