"""Installs the wheel on each supported Python of this machine and runs its demo there: `make test-wheels`."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from mien.errors import UsageError

from .release import try_out

SUPPORTED = ("3.11", "3.12", "3.13")


def find_interpreter(version: str) -> Path | None:
    """A Python of this version on the search path, or of pyenv; None if there is none that starts."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    for candidate in (f"python{version}", *map(str, sorted(pyenv.glob(f"{version}.*/bin/python")))):
        command = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split(maxsplit=1)
        except (OSError, subprocess.CalledProcessError):
            continue  # pyenv has a command of each name, which fails for versions that are not selected
        if answer[0] == version:
            return Path(answer[1].strip())
    return None


def main(checkout: Path) -> None:
    """Print for each version that the demo ran, or that there is no such Python. UsageError where it does not run."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(checkout)]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        for version in SUPPORTED:
            python = find_interpreter(version)
            if python is None:
                print(f"{version}: skipped, there is no such Python on this machine")
                continue
            try_out(wheel, Path(folder) / version, python)
            print(f"{version}: {wheel.name} installed, its demo shows observations ({python})")


if __name__ == "__main__":
    try:
        main(Path.cwd())
    except UsageError as error:
        sys.exit(f"error: {error}")
