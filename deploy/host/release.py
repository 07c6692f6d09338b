"""The mien that runs, with the packages that it needs here, as a release that others can run."""

import compileall
import hashlib
import os
import pwd
import re
import shutil
import sys
import venv
import zipfile
from collections.abc import Iterator
from functools import cached_property
from importlib.metadata import Distribution, distributions
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from mien.deploy.packaging.wheel import write_wheel
from mien.deploy.systemd_units import HOMES
from mien.errors import ConfigurationError, MissingExtra
from mien.version import VERSION

REQUIRED = ("broker", "deploy")
OPTIONAL = ("dashboard", "postgresql")
"""The extras that a server uses, as far as they are installed."""
REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
COMMAND = """\
#!{python} -P
import sys
from mien.cli import main
sys.exit(main())
"""


class Release(Protocol):
    """A release to install."""

    @property
    def name(self) -> str:
        """A name for exactly this content."""

    @property
    def extras(self) -> frozenset[str]:
        """The extras of mien that it has."""

    def check(self) -> None:
        """Raise an error if it cannot be installed."""

    def build(self, folder: Path, home: Path) -> None:
        """Write it into a new folder. It is started through `home`, a link to the folder's later place."""


class RunningRelease:
    """This mien: no network is needed to install it, and what is installed is what was tried."""

    def __init__(self, *, account: str, optional: tuple[str, ...] = OPTIONAL) -> None:
        """`account` is the name of who is to run it."""
        self._account = account
        self._optional = optional

    @property
    def name(self) -> str:
        digest = hashlib.sha256(self._wheel_digest.encode())
        for name, package in sorted(self._packages.items()):
            digest.update(f"{name}=={package.version}\n".encode())
        digest.update(f"{sys.version} {_base_python()}".encode())
        return f"{VERSION}-{digest.hexdigest()[:12]}"

    @cached_property
    def extras(self) -> frozenset[str]:
        return frozenset([*REQUIRED, *(extra for extra in self._optional if not _missing(extra))])

    def check(self) -> None:
        """MissingExtra without the collector's packages; ConfigurationError if others cannot run this Python."""
        for extra in REQUIRED:
            if missing := _missing(extra):
                raise MissingExtra(f"{missing} is not installed: pip install 'mien[{','.join(REQUIRED)},dashboard]'")
        python = _base_python()
        if self._account != pwd.getpwuid(os.geteuid()).pw_name and (hidden := _hidden_part(python)):
            raise ConfigurationError(
                f"only you can run {python} ({hidden} is closed to others): install mien into an environment of the "
                "system's Python, `/usr/bin/python3 -m venv`, and run the command from there"
            )
        for name, package in self._packages.items():
            if package.files is None:
                raise ConfigurationError(
                    f"the package {name} was not installed by pip, so its files are not known: install mien into an "
                    "environment of its own, `/usr/bin/python3 -m venv`"
                )

    def build(self, folder: Path, home: Path) -> None:
        """Everything in it can be read by everyone, and changed by its owner only."""
        old_mask = os.umask(0o022)
        try:
            venv.EnvBuilder(symlinks=True, with_pip=False).create(folder)
            site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
            for script in (folder / "bin").glob("[Aa]ctivate*"):
                script.unlink()  # they name the folder that this one is made in
            for package in self._packages.values():
                _copy_package(package, site)
            with TemporaryDirectory() as temporary, zipfile.ZipFile(write_wheel(Path(temporary))) as wheel:
                wheel.extractall(site)  # just written
            compileall.compile_dir(site, quiet=2)
            command = folder / "bin" / "mien"
            command.write_text(COMMAND.format(python=home / "bin" / "python"))
            command.chmod(0o755)
        finally:
            os.umask(old_mask)

    @cached_property
    def _packages(self) -> dict[str, Distribution]:
        """All that the extras need, by normalized name, without mien itself; pip, for `mien device pack`."""
        found: dict[str, Distribution] = {}
        for extra in self.extras:
            found |= _closure(extra)
        pip = _find("pip")
        return found | ({"pip": pip} if pip is not None and pip.files is not None else {})

    @cached_property
    def _wheel_digest(self) -> str:
        with TemporaryDirectory() as temporary:
            return hashlib.sha256(write_wheel(Path(temporary)).read_bytes()).hexdigest()


def _base_python() -> Path:
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def _hidden_part(path: Path) -> Path | None:
    """The part of a path that other users cannot pass, or that units hide from their programs."""
    for parent in [*reversed(path.parents), path]:
        if str(parent) in HOMES or not parent.stat().st_mode & 0o001:
            return parent
    return None


def _find(name: str) -> Distribution | None:
    """An installed package; a checkout in the current folder is found as well, but has no METADATA."""
    return next((package for package in distributions(name=name) if package.read_text("METADATA")), None)


def _requirements(name: str, extra: str) -> Iterator[tuple[str, list[str], bool]]:
    """What a package needs, with an extra or without (""): name, extras, and whether that is so on any system."""
    package = _find(name)
    for line in (package.requires if package else None) or []:
        requirement, _, marker = line.partition(";")
        extras = EXTRA.findall(marker)
        match = REQUIREMENT.match(requirement.strip())
        if match is None or (extras and extra not in extras):
            continue
        wanted = [one.strip() for one in (match[2] or "").split(",") if one.strip()]
        yield match[1], wanted, not EXTRA.sub("", marker).strip("() ")


def _closure(extra: str) -> dict[str, Distribution]:
    """The packages that mien needs with an extra, as far as they are installed, by normalized name."""
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [("mien", ""), ("mien", extra)]
    while waiting:
        name, with_extra = waiting.pop()
        if (name, with_extra) in seen:
            continue
        seen.add((name, with_extra))
        for required, extras, _ in _requirements(name, with_extra):
            normalized = re.sub(r"[-_.]+", "-", required).lower()
            package = _find(normalized)
            if package is not None and normalized != "mien":
                found[normalized] = package
            if package is not None:
                waiting += [(normalized, one) for one in ["", *extras]]
    return found


def _missing(extra: str) -> str | None:
    """A package that mien itself needs with this extra on any system, and that is not installed."""
    for name, extras, is_general in _requirements("mien", extra):
        if is_general and _find(name) is None:
            return name
        if name == "mien" and (missing := next(filter(None, map(_missing, extras)), None)):
            return missing
    return None


def _copy_package(package: Distribution, site: Path) -> None:
    """With the times of its files, by which Python knows whether what it compiled is up to date."""
    for file in package.files or []:
        source = Path(str(file.locate()))
        if ".." in file.parts or file.is_absolute() or not source.is_file():
            continue  # commands, which would start another Python; compiled files that pip no longer has
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        status = source.stat()
        target.chmod(0o755 if status.st_mode & 0o100 else 0o644)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
