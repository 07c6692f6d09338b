"""Builds a release into dist/: sdist and wheel, the same bytes each time, checked and tried; nothing is uploaded.

Run it from a clean checkout with `make release`.
"""

import gzip
import hashlib
import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from mien.errors import UsageError
from mien.version import VERSION

SMOKE_EXTRAS = "demo"
"""What the bare environment gets; `mien demo` needs the device's part, the collector's and an MQTT broker."""


def check_clean(checkout: Path) -> int:
    """The time of the last commit, in seconds since 1970. UsageError if a file differs from it."""
    if changed := _run(checkout, "git", "status", "--porcelain"):
        raise UsageError(f"a release is built from a commit, and these files differ: {changed}: commit them first")
    return int(_run(checkout, "git", "log", "-1", "--format=%ct"))


def build(checkout: Path, folder: Path, epoch_s: int) -> list[Path]:
    """sdist and wheel of the commit, in a new clone, with all times set to `epoch_s`."""
    with TemporaryDirectory() as temporary:
        clone = Path(temporary, "mien")
        _run(checkout, "git", "clone", "--quiet", "--no-local", "--depth=1", f"file://{checkout}", str(clone))
        environment = os.environ | {"SOURCE_DATE_EPOCH": str(epoch_s)}
        command = [sys.executable, "-m", "build", "--outdir", str(folder), str(clone)]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    for sdist in folder.glob("*.tar.gz"):
        sdist.write_bytes(normalize_sdist(sdist.read_bytes(), epoch_s))
    return sorted(folder.iterdir())


def normalize_sdist(content: bytes, epoch_s: int) -> bytes:
    """The same archive with its files in order, without owners and with one time; setuptools keeps those on disk."""
    archive = BytesIO()
    with (
        tarfile.open(fileobj=BytesIO(content)) as source,
        gzip.GzipFile(fileobj=archive, mode="wb", filename="", mtime=epoch_s) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as target,
    ):
        for member in sorted(source, key=lambda member: member.name):
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = epoch_s
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            target.addfile(member, source.extractfile(member) if member.isfile() else None)
    return archive.getvalue()


def try_out(wheel: Path, folder: Path, interpreter: Path = Path(sys.executable)) -> Path:
    """Install the wheel into an environment of this interpreter and run the demo there; the environment's Python."""
    _run(wheel.parent, str(interpreter), "-m", "venv", str(folder))
    python = folder / "bin" / "python"
    _run(folder, str(python), "-m", "pip", "install", "--quiet", f"{wheel}[{SMOKE_EXTRAS}]")
    mien = str(folder / "bin" / "mien")
    if (version := _run(folder, mien, "--version")) != f"mien {VERSION}":
        raise UsageError(f"the built wheel says that it is {version}")
    output = _run(folder, mien, "demo", "--seconds", "10")
    if "happy" not in output:
        raise UsageError(f"the demo of the built wheel shows no observation:\n{output}")
    return python


def main(checkout: Path) -> None:
    """Write dist/: sdist, wheel, the bill of materials of its environment, and the hashes of all three."""
    epoch_s = check_clean(checkout)
    dist = checkout / "dist"
    dist.mkdir(exist_ok=True)
    if any(dist.iterdir()):
        raise UsageError(f"{dist} is not empty: remove what is in it first")
    with TemporaryDirectory() as again, TemporaryDirectory() as environment:
        files, others = build(checkout, dist, epoch_s), build(checkout, Path(again), epoch_s)
        for file, other in zip(files, others, strict=True):
            if file.read_bytes() != other.read_bytes():
                raise UsageError(f"{file.name} is not reproducible: two builds of the same commit differ")
        _run(checkout, sys.executable, "-m", "twine", "check", "--strict", *map(str, files))
        (wheel,) = dist.glob("*.whl")
        python = try_out(wheel, Path(environment))
        bill = dist / f"mien-{VERSION}.cdx.json"
        _run(checkout, "cyclonedx-py", "environment", "--output-reproducible", "--output-file", str(bill), str(python))
    for file in sorted(dist.iterdir()):
        print(hashlib.sha256(file.read_bytes()).hexdigest(), file.name)


def _run(folder: Path, *command: str) -> str:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if process.returncode:
        raise UsageError(f"`{' '.join(command)}` failed: {(process.stderr or process.stdout).strip()}")
    return process.stdout.strip()


if __name__ == "__main__":
    try:
        main(Path.cwd())
    except UsageError as error:
        sys.exit(f"error: {error}")
