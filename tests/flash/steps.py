"""The commands of deploy/README.md, for a test to run as they stand there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "deploy" / "README.md"
MIEN = Path(sys.executable).parent / "mien"


def documented() -> list[str]:
    """Its lines of code, in order."""
    blocks = re.findall(r"^```\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def run(verb: str, places: dict[str, Path | str], *more: str, typed: str = "") -> str:
    """Run the one step that begins with `mien VERB`, other places in the place of its own; what it says on stdout."""
    (line,) = [line for line in documented() if line.startswith(f"mien {verb}")]
    words = shlex.split(line)[1:]
    for written, here in places.items():
        assert [word for word in words if written in word], f"{written} is not in: {line}"
        words = [word.replace(written, str(here)) for word in words]
    told = subprocess.run(
        [MIEN, *words, *more],
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # as in a script: a passphrase comes from stdin, not from the terminal of whoever tests
    )
    assert told.returncode == 0, told.stderr
    print(f"$ {line}\n{told.stdout}")
    return told.stdout
