"""The commands of deploy/README.md, run exactly as it shows them."""

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "deploy" / "README.md"
MIEN = Path(sys.executable).parent / "mien"


def documented_lines() -> list[str]:
    """The lines of its code blocks, in order."""
    blocks = re.findall(r"^```\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def run_documented(command: str, replacements: Mapping[str, Path | str], *more: str, stdin: str = "") -> str:
    """Run the one line that begins with `mien COMMAND`, with other paths and more options; returns its stdout."""
    (line,) = [line for line in documented_lines() if line.startswith(f"mien {command}")]
    arguments = shlex.split(line)[1:]
    for documented, actual in replacements.items():
        assert [argument for argument in arguments if documented in argument], f"{documented} is not in: {line}"
        arguments = [argument.replace(documented, str(actual)) for argument in arguments]
    result = subprocess.run(
        [MIEN, *arguments, *more],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # as in a script: a passphrase comes from stdin, not from the tester's terminal
    )
    assert result.returncode == 0, result.stderr
    print(f"$ {line}\n{result.stdout}")
    return result.stdout
