"""The power is cut at each step of an installation in turn; the next call makes it good."""

import os
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from kits import NewKit, Supervisor, slim

from mien.deploy.installer import Installation, InstallError


class PowerCutError(BaseException):
    """Nothing in a program expects it."""


class Power:
    """Counts what changes names of files or the service, and cuts itself before the step that it is told."""

    def __init__(self) -> None:
        self.steps_left: int | None = None

    def watch(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            if self.steps_left is not None:
                self.steps_left -= 1
                if self.steps_left < 0:
                    raise PowerCutError
            return change(*arguments, **options)

        return run

    def cut_at_each_step(self, change: Callable[[], object]) -> Iterator[int]:
        """Make a change that is cut short before its first step, its second, and so on, until it gets to its end."""
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
    monkeypatch.setattr(os, "sync", lambda: None)  # slow, and this power is never cut for good
    monkeypatch.setattr(os, "fsync", lambda _: None)
    for name in ("rename", "replace", "unlink", "symlink_to"):
        monkeypatch.setattr(Path, name, power.watch(getattr(Path, name)))
    monkeypatch.setattr(shutil, "rmtree", power.watch(shutil.rmtree))
    for name in ("enable", "restart", "remove"):
        monkeypatch.setattr(Supervisor, name, power.watch(getattr(Supervisor, name)))
    return power


def configuration(root: Path) -> dict[str, tuple[int, bytes]]:
    files = (root / "etc" / "mien").iterdir()
    return {file.name: (file.stat().st_mode, file.read_bytes()) for file in files if not file.name.startswith(".")}


def copied(root: Path, place: Path) -> Path:
    shutil.copytree(root, place, symlinks=True)
    return place


def test_an_upgrade_goes_on_and_still_knows_what_ran_before(
    tmp_path: Path, installation: Installation, root: Path, new_kit: NewKit, power: Power
) -> None:
    installation.install(first := slim(new_kit(release="a")))
    second = slim(new_kit(release="b", settings="\n[camera]\nkind = 'usb'\n", extra="extra.txt"))
    key = second.key.read_bytes()
    ready: list[Supervisor] = []
    places = (tmp_path / f"pi{number}" for number in count())

    def upgrade() -> None:
        nonlocal pi
        second.key.write_bytes(key)
        pi = copied(root, next(places))
        ready.append(Supervisor())
        Installation(pi, ready[-1]).install(second)

    pi, steps = root, 0
    for steps in power.cut_at_each_step(upgrade):  # noqa: B007  # counted
        ran = second.release if "restart" in ready[-1].told else first.release
        cut = copied(pi, next(places))
        good = Installation(pi, Supervisor())
        assert good.release in (first.release, second.release)
        second.key.write_bytes(key)
        assert good.install(second) == f"kitchen has release {second.release}"
        assert not list((pi / "opt" / "mien").glob("previous"))
        second.key.write_bytes(key)
        bad = Supervisor()
        bad.ready = [False, True]
        with pytest.raises(InstallError, match="is back"):
            Installation(cut, bad).install(second)
        back = Installation(cut, Supervisor()).release
        assert back in (first.release, ran)
        if back == first.release:
            assert configuration(cut) == configuration(root)
    assert steps > 15
    assert configuration(pi)["device.key"] == configuration(root)["device.key"]
    assert "extra.txt" in configuration(pi)
    assert not second.key.exists()


def test_the_return_to_the_release_before_goes_on(
    tmp_path: Path, installation: Installation, root: Path, new_kit: NewKit, power: Power
) -> None:
    installation.install(first := slim(new_kit(release="a")))
    second = slim(new_kit(release="b", settings="\nnonsense = 1\n", extra="extra.txt"))
    places = (tmp_path / f"pi{number}" for number in count())

    def fails(pi: Path) -> None:
        supervisor = Supervisor()
        supervisor.ready = [False, True]
        with pytest.raises(InstallError, match=f"{first.release} is back"):
            Installation(pi, supervisor).install(second)

    def upgrade() -> None:
        nonlocal pi
        pi = copied(root, next(places))
        fails(pi)

    pi, steps = root, 0
    for steps in power.cut_at_each_step(upgrade):  # noqa: B007
        fails(pi)
        assert Installation(pi, Supervisor()).release == first.release
        assert configuration(pi) == configuration(root)
    assert steps > 25
    assert configuration(pi) == configuration(root)


def test_a_pi_that_becomes_another_device_does(
    tmp_path: Path, installation: Installation, root: Path, new_kit: NewKit, power: Power
) -> None:
    installation.install(slim(new_kit()))
    data = root / "var" / "lib" / "mien"
    data.mkdir(parents=True)
    (data / "outbox.db").write_bytes(b"of kitchen")
    kit = slim(new_kit("hallway"))
    key = kit.key.read_bytes()
    places = (tmp_path / f"pi{number}" for number in count())

    def replace() -> None:
        nonlocal pi
        kit.key.write_bytes(key)
        pi = copied(root, next(places))
        Installation(pi, Supervisor()).install(kit, replace=True)

    pi, steps = root, 0
    for steps in power.cut_at_each_step(replace):  # noqa: B007
        assert (pi / "var" / "lib" / "mien-of-kitchen" / "outbox.db").exists() or (
            pi / "var" / "lib" / "mien" / "outbox.db"
        ).exists()
        assert Installation(pi, Supervisor()).install(kit, replace=True).startswith("hallway has release")
        assert (pi / "var" / "lib" / "mien-of-kitchen" / "outbox.db").read_bytes() == b"of kitchen"
        assert not (pi / "var" / "lib" / "mien").exists()
    assert steps > 15
