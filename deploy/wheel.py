"""The mien that runs here as a wheel, for a device or a container to get exactly this release."""

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

from mien.version import VERSION

SUFFIXES = {".py", ".tflite", ".typed", ".html", ".jpg", ".txt", ".sh", ".yaml", ".json", ".sql", ".css", ".js", ""}
"""Of the files that belong to mien's packages; a checkout has others beside them."""
METADATA = ("METADATA", "entry_points.txt", "licenses/LICENSE", "licenses/MODEL_LICENSE")
PROGRAMS = ("edge", "trainer", "broker", "deploy")


def write_wheel(folder: Path) -> Path:
    """Write the wheel into a folder; the same release gives the same bytes."""
    wheel = folder / f"mien-{VERSION}-py3-none-any.whl"
    described = f"mien-{VERSION}.dist-info"
    record = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in [*_sources(), *_metadata(described)]:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(content)}")
        archive.writestr(zipfile.ZipInfo(f"{described}/RECORD"), "\n".join([*record, f"{described}/RECORD,,", ""]))
    return wheel


def _metadata(described: str) -> Iterator[tuple[str, bytes]]:
    # a checkout that Python was started in has a description of another form, from its last build
    installed = next(one for one in distributions(name="mien") if one.read_text("METADATA"))
    for name in METADATA:
        yield f"{described}/{name}", (installed.read_text(name) or "").encode()
    yield f"{described}/WHEEL", b"Wheel-Version: 1.0\nGenerator: mien\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def _sources() -> Iterator[tuple[str, bytes]]:
    """The files of mien and its programs, by their path in the wheel; a checkout keeps the programs beside mien/."""
    found: dict[str, Path] = {}
    for package in ("mien", *(f"mien.{program}" for program in PROGRAMS)):
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for file in _files(Path(folder)):
                found[f"{package.replace('.', '/')}/{file.relative_to(folder)}"] = file
    return ((name, found[name].read_bytes()) for name in sorted(found))


def _files(folder: Path) -> Iterator[Path]:
    for file in folder.iterdir():
        if file.is_file() and file.suffix in SUFFIXES:
            yield file
        elif file.is_dir() and ((file / "__init__.py").exists() or file.name in ("grafana", "locks", "page")):
            yield from _files(file)
