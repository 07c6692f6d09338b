"""The installed mien as a wheel, so that devices and containers get exactly this release."""

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path

from mien.version import VERSION

SUFFIXES = {
    ".py",
    ".tflite",
    ".onnx",
    ".typed",
    ".html",
    ".jpg",
    ".txt",
    ".sh",
    ".yaml",
    ".json",
    ".sql",
    ".css",
    ".js",
    "",
}
"""Suffixes of the files that belong to mien's packages; a checkout contains others as well."""
DOCUMENTS = ("troubleshooting.md",)
METADATA = ("METADATA", "entry_points.txt")
PROGRAMS = ("edge", "trainer", "broker", "deploy")
DATA_FOLDERS = ("grafana", "locks", "static")
"""Folders of packages that hold data and no __init__.py."""


def write_wheel(folder: Path) -> Path:
    """Write the wheel into a folder; the same release produces the same bytes."""
    wheel = folder / f"mien-{VERSION}-py3-none-any.whl"
    dist_info = f"mien-{VERSION}.dist-info"
    record = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in [*_sources(), *_metadata(dist_info)]:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(content)}")
        archive.writestr(zipfile.ZipInfo(f"{dist_info}/RECORD"), "\n".join([*record, f"{dist_info}/RECORD,,", ""]))
    return wheel


def _metadata(dist_info: str) -> Iterator[tuple[str, bytes]]:
    # a checkout in the current folder is found as well, with the egg-info of its last build, which has no METADATA
    installed = next(package for package in distributions(name="mien") if package.read_text("METADATA"))
    licenses = [f"licenses/{name}" for name in installed.metadata.get_all("License-File") or []]
    for name in [*METADATA, *licenses]:
        yield f"{dist_info}/{name}", (installed.read_text(name) or "").encode()
    yield f"{dist_info}/WHEEL", b"Wheel-Version: 1.0\nGenerator: mien\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def _sources() -> Iterator[tuple[str, bytes]]:
    """The files of mien and its programs by their path in the wheel; a checkout has the programs next to mien/."""
    sources: dict[str, Path] = {}
    for package in ("mien", *(f"mien.{program}" for program in PROGRAMS)):
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for file in _package_files(Path(folder)):
                sources[f"{package.replace('.', '/')}/{file.relative_to(folder)}"] = file
    return ((name, sources[name].read_bytes()) for name in sorted(sources))


def _package_files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_file() and (path.suffix in SUFFIXES or path.name in DOCUMENTS):
            yield path
        elif path.is_dir() and ((path / "__init__.py").exists() or path.name in DATA_FOLDERS):
            yield from _package_files(path)
