"""Wheels of this working tree and of earlier commits, unpacked to run side by side on this environment's packages."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STOP_TIMEOUT_S = 20


class Release:
    """One release of mien in a folder of its own. All paths that it is given must be absolute."""

    def __init__(self, source: Path, folder: Path) -> None:
        """Build the wheel of a source tree, as pip does, and unpack it into the folder."""
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*install, "--target", str(folder / "site"), str(source)], check=True, cwd=folder)
        self._folder = folder
        # Folders of PYTHONPATH come before the checkout that is installed in this environment.
        self._environment = os.environ | {"PYTHONPATH": f"{folder / 'site'}:{ROOT / 'tests' / 'support'}"}
        imported = self.run("-c", "import mien.broker, mien.edge; print(mien.edge.__file__, mien.broker.__file__)")
        assert all(path.startswith(f"{folder}/site/") for path in imported.split()), imported

    def run(self, *arguments: str) -> str:
        """Run Python with this release and return its output; AssertionError if it fails."""
        process = subprocess.run(
            [sys.executable, *arguments],
            env=self._environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        return process.stdout

    @contextmanager
    def running(self, *arguments: str, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
        """A Python process with this release, while the block runs; its output is appended to the log."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments], env=self._environment, cwd=self._folder, stdout=output, stderr=output
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def copy_working_tree(folder: Path) -> Path:
    """A copy of the files that git would commit, without leftovers of earlier builds."""
    names = _git("ls-files", "--cached", "--others", "--exclude-standard").decode().splitlines()
    for name in names:
        if (ROOT / name).is_file():
            copy = folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy)
    return folder


def check_out(commit: str, folder: Path) -> Path:
    """The files of a commit; skips the test where git's history does not reach back to it."""
    known = subprocess.run(
        ["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=ROOT, capture_output=True, check=False
    )
    if known.returncode:
        pytest.skip(f"git's history here does not contain {commit}, the release before: git fetch --unshallow")
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=_git("archive", commit), check=True)
    return folder


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout
