"""The power is cut at each step of an installation in turn; the next call completes the installation."""

import os
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from bundles import BundleFactory, FakeService, slim_bundle

from mien.deploy.installer.errors import InstallError
from mien.deploy.installer.installation import Installation


class PowerCutError(BaseException):
    """Not an Exception, so that nothing in a program handles it."""


class Power:
    """Counts the operations that change file names or the service, and fails before the chosen one."""

    def __init__(self) -> None:
        self.steps_left: int | None = None

    def watch(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            if self.steps_left is not None:
                self.steps_left -= 1
                if self.steps_left < 0:
                    raise PowerCutError
            return operation(*arguments, **options)

        return run

    def cut_at_each_step(self, change: Callable[[], object]) -> Iterator[int]:
        """Make a change, interrupted before its first operation, its second, and so on, until it completes."""
        for step in count():
            self.steps_left = step
            try:
                change()
            except PowerCutError:
                self.steps_left = None
                yield step
            else:
                self.steps_left = None
                return


@pytest.fixture
def power(monkeypatch: pytest.MonkeyPatch) -> Power:
    power = Power()
    monkeypatch.setattr(os, "sync", lambda: None)  # slow, and no real power cut is simulated
    monkeypatch.setattr(os, "fsync", lambda _: None)
    for name in ("rename", "replace", "unlink", "symlink_to"):
        monkeypatch.setattr(Path, name, power.watch(getattr(Path, name)))
    monkeypatch.setattr(shutil, "rmtree", power.watch(shutil.rmtree))
    for name in ("enable", "restart", "remove"):
        monkeypatch.setattr(FakeService, name, power.watch(getattr(FakeService, name)))
    return power


def configuration(root: Path) -> dict[str, tuple[int, bytes]]:
    files = (root / "etc" / "mien").iterdir()
    return {file.name: (file.stat().st_mode, file.read_bytes()) for file in files if not file.name.startswith(".")}


def write_files(contents: dict[Path, bytes]) -> None:
    for file, content in contents.items():
        file.write_bytes(content)


def copy_root(root: Path, target: Path) -> Path:
    shutil.copytree(root, target, symlinks=True)
    return target


def test_an_interrupted_upgrade_continues_and_still_knows_what_ran_before(
    tmp_path: Path, installation: Installation, root: Path, make_bundle: BundleFactory, power: Power
) -> None:
    installation.install(first := slim_bundle(make_bundle(release="a")))
    second = slim_bundle(make_bundle(release="b", settings="\n[camera]\nkind = 'usb'\n", extra="extra.txt"))
    secrets = {file: file.read_bytes() for file in second.secrets}
    services: list[FakeService] = []
    new_roots = (tmp_path / f"pi{number}" for number in count())
    pi, step = root, 0

    def upgrade() -> None:
        nonlocal pi
        write_files(secrets)
        pi = copy_root(root, next(new_roots))
        services.append(FakeService())
        Installation(pi, services[-1]).install(second)

    for step in power.cut_at_each_step(upgrade):  # noqa: B007  # used after the loop
        running = second.release if "restart" in services[-1].calls else first.release
        interrupted = copy_root(pi, next(new_roots))
        continued = Installation(pi, FakeService())
        assert continued.release in (first.release, second.release)
        write_files(secrets)
        assert continued.install(second) == f"kitchen: installed release {second.release}"
        assert not list((pi / "opt" / "mien").glob("previous"))
        write_files(secrets)
        failing = FakeService()
        failing.restart_results = [False, True]
        with pytest.raises(InstallError, match="restored release"):
            Installation(interrupted, failing).install(second)
        restored = Installation(interrupted, FakeService()).release
        assert restored in (first.release, running)
        if restored == first.release:
            assert configuration(interrupted) == configuration(root)
    assert step > 15
    assert configuration(pi)["device.key"] == configuration(root)["device.key"]
    assert "extra.txt" in configuration(pi)
    assert not any(file.exists() for file in second.secrets)


def test_an_interrupted_rollback_continues(
    tmp_path: Path, installation: Installation, root: Path, make_bundle: BundleFactory, power: Power
) -> None:
    installation.install(first := slim_bundle(make_bundle(release="a")))
    second = slim_bundle(make_bundle(release="b", settings="\nnonsense = 1\n", extra="extra.txt"))
    new_roots = (tmp_path / f"pi{number}" for number in count())
    pi, step = root, 0

    def fail_to_upgrade(pi: Path) -> None:
        service = FakeService()
        service.restart_results = [False, True]
        with pytest.raises(InstallError, match=f"restored release {first.release}"):
            Installation(pi, service).install(second)

    def upgrade() -> None:
        nonlocal pi
        pi = copy_root(root, next(new_roots))
        fail_to_upgrade(pi)

    for step in power.cut_at_each_step(upgrade):  # noqa: B007  # used after the loop
        fail_to_upgrade(pi)
        assert Installation(pi, FakeService()).release == first.release
        assert configuration(pi) == configuration(root)
    assert step > 25
    assert configuration(pi) == configuration(root)


def test_an_interrupted_replacement_of_the_device_continues(
    tmp_path: Path, installation: Installation, root: Path, make_bundle: BundleFactory, power: Power
) -> None:
    installation.install(slim_bundle(make_bundle()))
    data = root / "var" / "lib" / "mien"
    data.mkdir(parents=True)
    (data / "outbox.db").write_bytes(b"of kitchen")
    bundle = slim_bundle(make_bundle("hallway"))
    key = bundle.key.read_bytes()
    new_roots = (tmp_path / f"pi{number}" for number in count())
    pi, step = root, 0

    def replace() -> None:
        nonlocal pi
        bundle.key.write_bytes(key)
        pi = copy_root(root, next(new_roots))
        Installation(pi, FakeService()).install(bundle, replace=True)

    for step in power.cut_at_each_step(replace):  # noqa: B007  # used after the loop
        assert (pi / "var" / "lib" / "mien-of-kitchen" / "outbox.db").exists() or (
            pi / "var" / "lib" / "mien" / "outbox.db"
        ).exists()
        message = Installation(pi, FakeService()).install(bundle, replace=True)
        assert message.startswith("hallway: installed release")
        assert (pi / "var" / "lib" / "mien-of-kitchen" / "outbox.db").read_bytes() == b"of kitchen"
        assert not (pi / "var" / "lib" / "mien").exists()
    assert step > 15
